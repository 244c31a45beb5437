"""`towpath` does what `copier update` does, wherever that loses nothing."""

import random
from pathlib import Path

import copier
import pytest

from towpath.plan import plan
from towpath.repository import Repository
from towpath.update import update

from ..project import Project
from .small import SmallTemplate, copy_of, edit

NAMES = [f"{folder}{name}.txt" for folder in ("", "sub/") for name in ("one", "two", "three")]
BASE = {name: "".join(f"{name} line {number}\n" for number in range(14)) for name in NAMES}
KINDS = ["edit", "edit", "edit", "delete", "rename", "rewrite", "add", "both"]
SEEDS = range(16)


def edited(text: str, mark: str, chance: random.Random) -> str:
    """A text with some lines replaced, inserted or deleted; `mark` tells who did it."""
    lines = text.splitlines(keepends=True)
    for number in range(chance.randint(1, 2)):
        at = chance.randrange(len(lines))
        match chance.randrange(3):
            case 0:
                lines[at] = f"{mark} replaced {number}\n"
            case 1:
                lines.insert(at, f"{mark} inserted {number}\n")
            case _:
                del lines[at]
    return "".join(lines)


def changes(mark: str, chance: random.Random) -> dict[str, str | None]:
    """Random changes to a folder that holds BASE."""
    files: dict[str, str | None] = {}
    for name in chance.sample(NAMES, chance.randint(1, 4)):
        match chance.choice(KINDS):
            case "edit":
                files[name] = edited(BASE[name], mark, chance)
            case "delete":
                files[name] = None
            case "rename":
                files |= {name: None, f"moved/{mark}-{Path(name).name}": BASE[name]}
            case "rewrite":
                files[name] = f"{mark} rewrote it\n"
            case "add":
                files[f"new-{chance.randint(1, 3)}.txt"] = f"{mark} added it\n"
            case _:
                files["added-by-both.txt"] = "the same\n"
    return files


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallTemplate:
    """A template whose second releases, one for each seed, each start from the first."""
    template = SmallTemplate.make(tmp_path_factory.mktemp("template"), BASE)
    for seed in SEEDS:
        template.release(f"v2.{seed}.0", changes("template", random.Random(1000 + seed)))
        Project(template.path).git("read-tree", "--reset", "-u", "v1.0.0")
    return template


@pytest.fixture(scope="module")
def original(template: SmallTemplate, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return template.project(tmp_path_factory.mktemp("made") / "thing")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_edits_end_alike(template: SmallTemplate, original: Project, tmp_path: Path, seed: int) -> None:
    project = copy_of(original, tmp_path / "thing")
    edit(project, changes("ours", random.Random(seed)))
    release = f"v2.{seed}.0"
    repository = Repository.open(project.path)
    planned = plan(repository, template.open(), release)
    if planned.state == "clean":
        update(repository, planned)
        # No line that people wrote is lost.
        written = {line for path in project.files for line in project.text(path).splitlines() if line[:5] == "ours "}
        kept = project.git("grep", "-h", "-e", "", "towpath/update", "--").splitlines()
        assert written <= set(kept)
    copier.run_update(project.path, vcs_ref=release, defaults=True, overwrite=True, quiet=True)
    unmerged = {line.split("\t")[1] for line in project.git("ls-files", "--unmerged").splitlines()}
    if unmerged:
        blocked = {conflict.path for conflict in planned.conflicts}
        assert unmerged <= blocked
        if not planned.lost_edits:
            assert unmerged == blocked
    elif planned.lost_edits:
        assert all(not (project.path / lost.path).exists() for lost in planned.lost_edits)
    else:
        assert planned.state == "clean"
        project.git("add", "--all")
        assert project.git("diff", "--cached", "towpath/update") == ""
