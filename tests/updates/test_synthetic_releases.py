"""Releases that reorder and reshape managed files, over every small edit that one can make to these.

Whatever calls itself clean is held, path by path, against what a careful person would have made: see `careful`.
"""

from pathlib import Path
from typing import Any

import pytest

from towpath.git import File
from towpath.meaning import IDENTITIES, parse
from towpath.merge import Merged, merge
from towpath.plan import plan
from towpath.repository import Repository
from towpath.template import Template

from ..combinations import BOTH
from ..conftest import copy
from ..project import Project
from . import edits
from .edits import OURS, small_edits
from .releases import CANDIDATE
from .replay import owner, tree
from .synthetic import MADE, RELEASES, extended

# What the release renames, by file: the mapping that holds it, the old name and the new one.
RENAMED = {
    ".gitlab-ci.yml": ((), "update", "look-for-updates"),
    ".github/workflows/verify.yml": (("jobs",), "image", "build"),
}


class UndecidedError(Exception):
    """A careful person would have asked."""


def careful(base: Any, ours: Any, theirs: Any) -> list[Any]:
    """The data that a person who knows what both sides meant would accept, `ours` being one edit away from `base`.

    Raises:
        UndecidedError: Both sides changed the same thing.
    """
    if ours == base or theirs in (base, ours):
        return [theirs if ours == base else ours]
    if all(isinstance(side, dict) for side in (base, ours, theirs)):
        accepted: list[Any] = [{}]
        for key in dict.fromkeys([*theirs, *ours, *base]):
            values = careful(*(side.get(key, UndecidedError) for side in (base, ours, theirs)))
            accepted = [found | ({} if v is UndecidedError else {key: v}) for found in accepted for v in values]
        return accepted
    if not all(isinstance(side, list) for side in (base, ours, theirs)):
        raise UndecidedError
    at = next(
        (n for n, pair in enumerate(zip(base, ours, strict=False)) if pair[0] != pair[1]), min(len(base), len(ours))
    )
    if len(ours) > len(base):
        around = [*base[:at][-1:], None][0], [*base[at:], None][0]
        places = [
            n
            for n in range(len(theirs) + 1)
            if _same([*theirs[:n][-1:], None][0], around[0]) and _same([*theirs[n:], None][0], around[1])
        ]
        accepted = [[*theirs[:n], ours[at], *theirs[n:]] for n in places]
    elif len(ours) < len(base):
        accepted = [theirs[:n] + theirs[n + 1 :] for n, member in enumerate(theirs) if member == base[at]]
    else:
        places = [n for n, member in enumerate(theirs) if _same(member, base[at])]
        accepted = [
            [*theirs[:n], value, *theirs[n + 1 :]] for n in places for value in careful(base[at], ours[at], theirs[n])
        ]
    if not accepted:
        raise UndecidedError
    return accepted


def _same(one: Any, other: Any) -> bool:
    """Whether two members of lists are one thing, perhaps changed."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one == other or any(one.get(key, 1) == other.get(key, 2) for key in (*IDENTITIES, "run"))
    return bool(one == other)


def renamed(path: str, data: Any) -> Any:
    """A file's data in the names of the release."""
    where, old, new = RENAMED.get(path, ((), "", ""))
    inner = data
    for key in where:
        inner = inner[key]
    if old and old in inner:
        inner[new] = inner.pop(old)
    return data


@pytest.fixture(scope="module", params=RELEASES)
def synthetic(request: pytest.FixtureRequest, history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with one of the releases on top, in a folder of its name."""
    return extended(history, tmp_path_factory.mktemp(request.param), RELEASES[request.param])


def test_what_calls_itself_clean_is_what_a_careful_person_would_have_made(
    synthetic: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old, new = (
        copy(synthetic, tmp_path / tag, "harbour-desk", at=tag, app_type="microservice", **BOTH)
        for tag in (CANDIDATE, MADE)
    )
    # One repository holds them all, each in a folder of its own, so that one merge decides them.
    many = tmp_path / "many"
    base: dict[str, File] = {}
    theirs = {path: File("100644", new.text(path).encode()) for path in tree(new).keys() - tree(old).keys()}
    done: dict[str, tuple[str, str, str]] = {}
    for path in tree(old).keys() & tree(new).keys() - {".copier-answers.yml"}:
        before, after = old.text(path), new.text(path)
        for number, (kind, ours) in enumerate(small_edits(path, before) if before != after else ()):
            copied = f"{number}/{path}"
            (many / copied).parent.mkdir(parents=True, exist_ok=True)
            (many / copied).write_text(ours)
            base[copied], theirs[copied] = File("100644", before.encode()), File("100644", after.encode())
            done[copied] = path, kind, ours
    Project(many).git("init", "--quiet")
    Project(many).commit("Edit")
    merged = merge(Repository.open(many, joined=False), base, theirs, frozenset(), frozenset())
    blocked = {conflict.path for conflict in merged.conflicts}
    wrong = [why for copied in done if (why := _wrong(copied, done[copied], base, theirs, merged, blocked))]
    if request.node.callspec.params["synthetic"] == "shape":
        moved = {done[conflict.path][0] for conflict in merged.conflicts if "moves to" in conflict.cause}
        assert moved == {".gitlab-ci.yml", ".towpath/ruff.toml"}, (
            "what the project deleted would be back in another file"
        )
    assert not wrong, f"{len(wrong)} of {len(done)}: {wrong[:5]}"
    assert len(done) > 500
    assert len(blocked) < len(done) / 8


def _wrong(
    copied: str,
    edit: tuple[str, str, str],
    base: dict[str, File],
    theirs: dict[str, File],
    merged: Merged,
    blocked: set[str],
) -> str:
    """What is wrong with one merged file, or nothing."""
    path, kind, ours = edit
    if copied in blocked:
        return ""
    before, after = (side[copied].content.decode() for side in (base, theirs))
    written = merged.writes.get(copied)
    result = written.content.decode() if written else ours
    if kind not in {"delete", "change"}:
        rest = [line for line in result.splitlines() if OURS not in line]
        if rest != after.splitlines() or result.count(OURS) != 1:
            return f"{path}, {kind}: the template's own text is not left alone"
    if kind != "line":
        try:
            accepted = careful(*(renamed(path, parse(path, text, literal=True)) for text in (before, ours, after)))
        except UndecidedError:
            return f"{path}, {kind}: nobody could know\n{result}"
        if renamed(path, parse(path, result, literal=True)) not in accepted:
            return f"{path}, {kind}: not what a careful person would have made\n{result}"
    return ""


def texts(project: Project) -> dict[str, str]:
    """What is in the managed files; one that became a link is the project's."""
    modes = {path: mode for path, (mode, _) in tree(project).items() if owner(path) == "managed"}
    return {path: project.text(path) if mode != "120000" else "" for path, mode in modes.items()}


@pytest.mark.parametrize("app_type", ["web", "microservice", "ml", "static"])
def test_the_corpus_of_edits_to_managed_files_comes_out_as_on_the_new_release_or_is_blocked(
    synthetic: Path, tmp_path: Path, app_type: str
) -> None:
    project = copy(synthetic, tmp_path, at=CANDIDATE, app_type=app_type, **BOTH)
    fresh = copy(synthetic, tmp_path / "fresh", at=MADE, app_type=app_type, **BOTH)
    template = Template.open(str(synthetic), tmp_path / "cache")
    wrong: dict[str, Any] = {}
    for edit in [*edits.MANAGED[0], *edits.MANAGED[1]]:
        edit.make(project)
        project.commit(edit.name)
        planned = plan(Repository.open(project.path), template, to=MADE)
        assert (planned.state == "blocked") == bool(planned.reasons)
        if planned.state == "clean":
            edit.make(fresh)
            fresh.commit(edit.name)
            result = texts(project) | {path: file.content.decode() for path, file in planned.writes.items() if file}
            gone = {path for path, file in planned.writes.items() if file is None} | {".copier-answers.yml"}
            expected = texts(fresh)
            different = {
                path for path in (result.keys() | expected.keys()) - gone if result.get(path) != expected.get(path)
            }
            wrong |= {edit.name: different} if different else {}
            fresh.git("reset", "--quiet", "--hard", "HEAD~")
        project.git("reset", "--quiet", "--hard", "HEAD~")
    assert not wrong
