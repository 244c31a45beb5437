"""Pins that both the template and the project moved."""

import pytest

from towpath.pins import align

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
COMMIT, BUMPED, RELEASED = "1" * 40, "2" * 40, "3" * 40


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("FROM ${R}python:3.14-slim AS b", "FROM ${R}python:3.16-slim AS b", "FROM ${R}python:3.15-slim AS b", "ours"),
        ("FROM ${R}python:3.14-slim AS b", "FROM ${R}python:3.9-slim AS b", "FROM ${R}python:3.15-slim AS b", "theirs"),
        ("FROM ${R}python:3.14-slim", f"FROM ${{R}}python:3.14-slim@{OLD}", "FROM ${R}python:3.15-slim", "theirs"),
        ("image: postgres:18", f"image: postgres:19@{NEW}", "image: postgres:18.2", "ours"),
        (f"image: postgres:18@{OLD}", f"image: postgres:18@{NEW}", f"image: postgres:18@{OLD}", "ours"),
        ("FROM ${R}uv:0.13-slim", "FROM mirror/uv:0.13-slim", "FROM ${R}uv:0.14-slim", "FROM mirror/uv:0.14-slim"),
        (f"uses: a/b@{COMMIT} # v4.0.0", f"uses: a/b@{BUMPED} # v4.2.0", f"uses: a/b@{RELEASED} # v4.10.0", "theirs"),
        ("- uses: a/b@v4", "- uses: a/b@v5", "- uses: a/b@v4.1", "ours"),
        ("  - ruff==0.9.1", "  - ruff==0.10.0", "  - ruff==0.9.9", "ours"),
        ("    version: 0.13.9", "    version: 0.13.10", "    version: 0.14.0", "theirs"),
        ("python-version: '3.9'", "python-version: '3.10'", "python-version: '3.9.2'", "ours"),
        ("run: x a==1.0 b==1.0", "run: x a==2.0 b==1.0", "run: x a==1.5 b==1.5", "run: x a==2.0 b==1.5"),
        ("image: redis:8", "image: redis:8.1 # towpath: hold", "image: redis:9", "ours"),
        ("image: redis:8 # towpath: hold", "image: redis:8 # towpath: hold", "image: redis:9", "ours"),
    ],
)  # fmt: skip
def test_the_newer_pin_is_taken_whole(base: str, ours: str, theirs: str, merged: str) -> None:
    expected = {"ours": ours, "theirs": theirs}.get(merged, merged)
    sides = align(*(f"before\n{line}\nafter\n" for line in (base, ours, theirs)))
    assert sides == (f"before\n{expected}\nafter\n",) * 3


@pytest.mark.parametrize(
    ("base", "ours", "theirs"),
    [
        ("- 127.0.0.1:8000:8000", "- 127.0.0.1:8001:8000", "- 127.0.0.1:8002:8000"),
        ("url: http://app:8000/", "url: http://app:8001/", "url: http://app:8002/"),
        ("- db:10.0.0.1", "- db:10.0.0.2", "- db:10.0.0.3"),
        ("timeout: 30", "timeout: 40", "timeout: 50"),
        ("memory: 1.5G", "memory: 2.5G", "memory: 3.5G"),
        # Which of two digests of one tag is newer, or which variant is wanted, nobody can tell.
        ("image: redis:8", f"image: redis:8@{OLD}", f"image: redis:8@{NEW}"),
        ("image: redis:8-alpine", "image: redis:8-trixie", "image: redis:9-alpine"),
        (f"image: a/b:1@{OLD}", f"image: x/b:1@{NEW}", f"image: y/b:1@{OLD}"),
    ],
)
def test_what_is_no_pin_or_cannot_be_decided_stays_as_it_is(base: str, ours: str, theirs: str) -> None:
    texts = (f"{base}\n", f"{ours}\n", f"{theirs}\n")
    assert align(*texts) == texts


def test_a_pin_is_held_by_a_comment_above_it_where_its_line_can_have_none() -> None:
    base, theirs = "# Base\nFROM python:3.14-slim\nRUN x\n", "# Base\nFROM python:3.15-slim\nRUN x\n"
    ours = "# Base\n# towpath: hold, until the driver has wheels\nFROM python:3.14-slim\nRUN x\n"
    assert align(base, ours, theirs) == (base, ours, base)


def test_a_line_that_was_added_beside_a_pin_stops_nothing() -> None:
    base, theirs = f"- uses: a/b@{COMMIT} # v4.0.0\n", f"- uses: a/b@{RELEASED} # v4.1.0\n"
    assert align(base, f"{base}- run: ours\n", theirs) == (theirs, f"{theirs}- run: ours\n", theirs)
