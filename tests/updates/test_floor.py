"""The oldest Copier that `copier.yml` admits does what the newest does, and an older one is refused."""

import importlib.metadata
import re
from pathlib import Path

from ..conftest import ROOT, copy
from ..project import Project
from .releases import CANDIDATE
from .replay import Tree, tree

FLOOR = re.findall(r'_min_copier_version: "(.*)"', (ROOT / "copier.yml").read_text())[0]


def edited(history: Path, folder: Path) -> Project:
    """A project whose own files were edited and deleted."""
    project = copy(history, folder, at="v0.4.1")
    for path in ("README.md", "pyproject.toml"):
        (project.path / path).write_text(f"{project.text(path)}\n# Ours\n")
    for test in (project.path / "tests").glob("test_*.py"):
        test.unlink()
    project.commit("Edit")
    return project


def update_by(version: str) -> list[str]:
    """`copier update` by one version of Copier."""
    command = ["copier", "update", "--defaults", "--quiet", f"--vcs-ref={CANDIDATE}"]
    return ["uv", "tool", "run", "--quiet", "--from", f"copier=={version}", *command]


def test_the_oldest_copier_that_is_admitted_updates_as_the_newest_does(history: Path, tmp_path: Path) -> None:
    trees: list[Tree] = []
    for version in (FLOOR, importlib.metadata.version("copier")):
        project = edited(history, tmp_path / version)
        project.run(*update_by(version))
        project.commit("Update")
        trees.append(tree(project))
    assert trees[0] == trees[1]


def test_an_older_copier_is_refused_before_it_does_harm(history: Path, tmp_path: Path) -> None:
    """9.17 reads the exclusions that one entry renders as a single pattern, and overwrites what they exclude."""
    project = edited(history, tmp_path)
    major, minor, *_ = map(int, FLOOR.split("."))
    refused = project.try_run(*update_by(f"{major}.{minor - 1}.0"))
    assert refused.returncode != 0
    assert FLOOR in refused.stdout
    assert project.git("status", "--porcelain") == ""
