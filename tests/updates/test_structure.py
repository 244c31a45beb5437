"""The merge by structure on the template's real files, between its real releases."""

from pathlib import Path

import pytest
import yaml

from towpath.meaning import MergeConflictError
from towpath.plan import Plan, plan
from towpath.repository import Repository
from towpath.structure import merge
from towpath.template import Template

from ..combinations import BOTH
from ..conftest import copy
from ..project import Project
from .edits import OURS, small_edits
from .releases import CANDIDATE
from .replay import tree


def planned(history: Path, project: Project, to: str) -> Plan:
    project.commit("Edit")
    return plan(Repository.open(project.path), Template.open(str(history), history.parent / "cache"), to=to)


def test_a_key_beside_a_list_does_not_move_the_lists_members(history: Path, tmp_path: Path) -> None:
    """`retry` was added to what two jobs inherit, and their commands came out in another order."""
    project = copy(history, tmp_path, at="v0.4.1", app_type="web", ci=["gitlab"], deploy="compose")
    pipeline = project.path / ".gitlab-ci.yml"
    text = pipeline.read_text()
    line = next(line for line in text.split(".docker:\n")[1].splitlines() if line.startswith("  image:"))
    pipeline.write_text(text.replace(f"{line}\n", f"{line}\n  retry: 2\n", 1))
    made = planned(history, project, "v0.5.0")
    fresh = copy(history, tmp_path / "fresh", at="v0.5.0", app_type="web", ci=["gitlab"], deploy="compose")
    assert made.state == "clean"
    written = made.writes[".gitlab-ci.yml"]
    assert written
    assert written.content.decode().replace("  retry: 2\n", "", 1) == fresh.text(".gitlab-ci.yml")
    assert yaml.safe_load(written.content.replace(b"!reference", b""))[".docker"]["retry"] == 2


@pytest.mark.parametrize("app_type", ["microservice", "ml"])
def test_one_more_key_anywhere_in_a_managed_file_leaves_the_template_its_own_text(
    history: Path, tmp_path: Path, app_type: str
) -> None:
    old, new = (copy(history, tmp_path / tag, at=tag, app_type=app_type, **BOTH) for tag in ("v0.4.1", CANDIDATE))
    tried = conflicts = 0
    for path in tree(old):
        if not path.endswith((".yml", ".yaml")) or path not in tree(new) or path == ".copier-answers.yml":
            continue
        base, theirs = old.text(path), new.text(path)
        if base == theirs:
            continue
        for ours in (text for kind, text in small_edits(path, base) if kind == "key"):
            tried += 1
            try:
                merged = merge(path, base, ours, theirs)
            except MergeConflictError:
                conflicts += 1
                continue
            lines = merged.splitlines()
            assert [line for line in lines if OURS not in line] == theirs.splitlines(), path
            assert sum(OURS in line for line in lines) == 1, path
    assert tried > 50
    assert conflicts < tried / 10
