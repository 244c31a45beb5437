"""A release that moves every pin, over projects whose managed files a bot or a person had bumped meanwhile.

Each result is held against what a careful person would have made of it: the same edit, done to the new release's file.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from towpath.plan import plan
from towpath.repository import Repository
from towpath.template import Template

from ..combinations import BOTH
from ..conftest import copy
from .releases import CANDIDATE
from .synthetic import MADE, Change, extended, sub

DIGEST = "sha256:" + "d" * 64


def same(text: str) -> str:
    return text


# A file, what was done to it, and what should become of the new release's file.
EDITS: dict[str, tuple[str, Change, Change]] = {
    "an image bumped less far than the release": (
        "compose.prod.yaml", sub(r"unprivileged:1\.30", "unprivileged:1.30.2"), same,
    ),
    "an image bumped further than the release": (
        "compose.prod.yaml",
        sub(r"unprivileged:1\.30", "unprivileged:7.0"),
        sub(r"unprivileged:[\d.]+", "unprivileged:7.0"),
    ),
    "a digest added": ("Dockerfile", sub(r"(FROM \S*python:3\.14-slim-trixie)", rf"\1@{DIGEST}"), same),
    "a base registry written into FROM": (
        "Dockerfile", sub(r"\$\{BASE_REGISTRY\}", "mirror.example/"), sub(r"\$\{BASE_REGISTRY\}", "mirror.example/"),
    ),
    "an image of the build bumped": (
        "Dockerfile",
        sub(r"astral-sh/uv:0\.13\.9", "astral-sh/uv:7.0.0"),
        sub(r"astral-sh/uv:[\d.]+", "astral-sh/uv:7.0.0"),
    ),
    "an action bumped less far": (
        ".github/workflows/verify.yml", sub(r"checkout@\w{40} # v7\.0\.1", f"checkout@{'a' * 40} # v7.0.2"), same,
    ),
    "an action bumped further": (
        ".github/workflows/verify.yml",
        sub(r"checkout@\w{40} # v\S+", f"checkout@{'a' * 40} # v77.0.0"),
        sub(r"checkout@\w{40} # v\S+", f"checkout@{'a' * 40} # v77.0.0"),
    ),
    "a step added after checkout": (
        ".github/workflows/verify.yml",
        sub(r"(- uses: actions/checkout@.*\n(?: {8}.*\n)*)", r"\1      - run: make ours\n", 1),
        sub(r"(- uses: actions/checkout@.*\n(?: {8}.*\n)*)", r"\1      - run: make ours\n", 1),
    ),
    "a setting beside an action that moves": (
        ".github/workflows/release.yml",
        sub(r"(- uses: actions/checkout@.*\n {8}with:\n)", r"\1          fetch-tags: true\n", 1),
        sub(r"(- uses: actions/checkout@.*\n {8}with:\n)", r"\1          fetch-tags: true\n", 1),
    ),
    "uv bumped in the workflow": (
        ".github/workflows/verify.yml",
        sub(r"version: 0\.13\.9", "version: 7.0.0"),
        sub(r"(?<![-\w])version: [\d.]+", "version: 7.0.0"),
    ),
    "a tool bumped in the hooks": (".towpath/pre-commit.yaml", sub(r"ruff==[\d.]+", "ruff==0.17.7"), same),
    "a pin held back": (
        ".gitlab-ci.yml",
        sub(r"(image: docker:[\w.-]+)$", r"\1 # towpath: hold"),
        sub(r"image: docker:[\w.-]+$", "image: docker:29.8.1-cli # towpath: hold"),
    ),
    "a retry beside an image that moves": (
        ".gitlab-ci.yml",
        sub(r"(  image: docker:[\w.-]+\n)", r"\1  retry: 2\n", 1),
        sub(r"(  image: docker:[\w.-]+\n)", r"\1  retry: 2\n", 1),
    ),
    "an image of GitLab bumped": (
        ".gitlab-ci.yml", sub(r"docker:29\.8\.1-cli", "docker:29.8.2-cli"), same,
    ),
}  # fmt: skip


def bumped(pins: str) -> str:
    """The table of pins with every one moved, as a year of releases does."""
    pins = re.sub(r"@([0-9a-f]{40})", lambda match: "@" + match[1][::-1], pins)
    pins = re.sub(r"(?<=[\s:'v])(\d+)((?:\.\d+)+)", lambda match: f"{int(match[1]) + 1}{match[2]}", pins)
    return re.sub(r"'(3|4)\.14'", "'3.15'", pins)


def move_pins(repository: Path) -> None:
    """Move every pin, and nothing else."""
    table = repository / "extensions/pins.jinja"
    table.write_text(bumped(table.read_text()))


@pytest.fixture(scope="module")
def moved(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with one more release, in which only the pins differ."""
    return extended(history, tmp_path_factory.mktemp("moved"), move_pins)


@pytest.mark.parametrize("app_type", ["web", "microservice", "ml", "static"])
def test_bumped_pins_and_what_stands_beside_them_meet_a_release_that_moves_every_pin(
    moved: Path, tmp_path: Path, app_type: str
) -> None:
    project = copy(moved, tmp_path, at=CANDIDATE, app_type=app_type, **BOTH)
    fresh = copy(moved, tmp_path / "fresh", at=MADE, app_type=app_type, **BOTH)
    template = Template.open(str(moved), tmp_path / "cache")
    wrong: dict[str, Any] = {}
    for name, (path, edit, expected) in EDITS.items():
        original = project.text(path)
        (project.path / path).write_text(edit(original))
        project.commit(name)
        planned = plan(Repository.open(project.path), template, to=MADE)
        if planned.state != "clean":
            wrong[name] = planned.reasons
        else:
            file = planned.writes.get(path)
            text = file.content.decode() if file else project.text(path)
            wrong |= {} if text == expected(fresh.text(path)) else {name: text}
        (project.path / path).write_text(original)
        project.commit("Undo")
    assert not wrong
