"""The template's earlier releases, and the working tree as the next one."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from ..conftest import ROOT, release
from ..project import Project

CANDIDATE = "v999.0.0"


class HistoryError(Exception):
    """This copy of the repository does not hold its earlier releases; the message says what to do."""


def order(tag: str) -> list[int]:
    """What releases are sorted by."""
    return [int(part) for part in tag.removeprefix("v").split(".")]


def commits(root: Path = ROOT) -> dict[str, str]:
    """The earlier releases, oldest first: tags, and commits called `Release X.Y.Z` that should have one.

    Raises:
        HistoryError: There is no history, only a part of it, or no release in it.
    """
    project = Project(root)
    if project.try_run("git", "rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        raise HistoryError(
            f"{root} has no complete history: clone the repository, or run `git fetch --unshallow --tags`"
        )
    found = {}
    for line in project.git("log", "--format=%H %s").splitlines():
        if match := re.fullmatch(r"(\w+) Release (\d+\.\d+\.\d+)", line):
            found[f"v{match[2]}"] = match[1]
    for tag in project.git("tag", "--list", "v*", "--merged").split():
        if re.fullmatch(r"v\d+\.\d+\.\d+", tag):
            found[tag] = project.git("rev-parse", f"{tag}^{{commit}}").strip()
    if not found:
        raise HistoryError(f"{root} has no commit called `Release X.Y.Z` and no tag vX.Y.Z")
    return {tag: found[tag] for tag in sorted(found, key=order)}


def with_candidate(folder: Path) -> Path:
    """A clone with every earlier release tagged and the working tree on top of them as the release `CANDIDATE`.

    Raises:
        HistoryError: As for `commits`.
    """
    earlier = commits()
    repository = folder / "towpath"
    Project(folder).git("clone", "--quiet", "--no-tags", str(ROOT), str(repository))
    for tag, commit in earlier.items():
        Project(repository).git("tag", tag, commit)
    for name in ("copier.yml", "extensions", "template"):
        old, new = repository / name, ROOT / name
        shutil.rmtree(old) if old.is_dir() else old.unlink()
        (shutil.copytree if new.is_dir() else shutil.copy2)(new, old)
    release(repository, CANDIDATE)
    return repository


def questions(repository: Path, tag: str) -> dict[str, Any]:
    """Every question of one release, hidden ones too, as its `copier.yml` and what that includes say."""
    project = Project(repository)

    class Loader(yaml.SafeLoader):
        """YAML in which a document may be another file."""

    def include(_: Any, node: yaml.ScalarNode) -> Any:
        return yaml.load(project.git("show", f"{tag}:{node.value}"), Loader)

    Loader.add_constructor("!include", include)
    every: dict[str, Any] = {}
    for document in yaml.load_all(project.git("show", f"{tag}:copier.yml"), Loader):
        every |= document or {}
    return {name: question for name, question in every.items() if not name.startswith("_")}
