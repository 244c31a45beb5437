"""The release gate: projects made at every earlier release, edited as people edit, and updated by `copier update`.

A failure names the project and the edit. `python -m tests.updates.replay` makes docs/clean-rate.md of the same run.
"""

import re
from pathlib import Path

import pytest

from ..conftest import ROOT
from ..project import Project
from . import edits
from .edits import Edit
from .releases import CANDIDATE, commits
from .replay import Case, Result, prepare, update
from .test_versions import version

OWNED = {edit.name for edit in edits.OWNED}


def test_at_least_forty_kinds_of_edits_are_made() -> None:
    names = [edit.name for edit in [*edits.OWNED, *edits.MANAGED[0], *edits.MANAGED[1]]]
    assert len(names) == len(set(names))
    assert len(OWNED) >= 40


def test_every_release_and_type_is_replayed(results: list[Result]) -> None:
    replayed = {(result.case.start, result.case.answers["app_type"]) for result in results}
    assert {start for start, _ in replayed} == set(commits())
    assert {kind for start, kind in replayed if start != "v0.1.0"} == {"web", "microservice", "ml", "static"}


def test_every_edit_is_really_made(results: list[Result]) -> None:
    made = {name for result in results for name, paths in result.edited.items() if paths}
    every = {edit.name for edit in [*edits.OWNED, *edits.MANAGED[0], *edits.MANAGED[1]]}
    possible = {edit.name for result in results for edit in result.case.edits}
    assert every & possible == made


def test_edits_to_what_is_the_projects_never_conflict(results: list[Result]) -> None:
    assert not {r.case.name: r.conflicts for r in results if r.conflicts and r.case.edits[0].name in OWNED}


def test_no_edit_is_lost(results: list[Result]) -> None:
    assert not {result.case.name: result.lost for result in results if result.lost}


def test_no_answer_is_flipped(results: list[Result]) -> None:
    assert not {result.case.name: result.flipped for result in results if result.flipped}


def test_nothing_that_is_the_projects_is_changed(results: list[Result]) -> None:
    assert not {result.case.name: result.strayed for result in results if result.strayed}


def test_what_nobody_edited_is_as_in_a_fresh_project(results: list[Result]) -> None:
    assert not {result.case.name: result.stale for result in results if result.stale}


def test_an_edited_managed_file_conflicts_alone(results: list[Result]) -> None:
    for result in results:
        edited = {path for paths in result.edited.values() for path in paths}
        assert set(result.conflicts) <= edited, result.case.name


def test_the_tool_updates_every_project_or_says_why_it_would_not(results: list[Result]) -> None:
    for result in results:
        assert result.plan.state in {"clean", "blocked"}, result.case.name
        assert (result.plan.state == "blocked") == bool(result.plan.reasons), result.case.name
        if result.case.edits[0].name in OWNED:
            assert result.plan.state == "clean", result.case.name


def test_the_tool_foresees_every_conflict_or_merges_it(results: list[Result]) -> None:
    for result in results:
        foreseen = {conflict.path for conflict in result.plan.conflicts}
        assert set(result.conflicts) <= foreseen | set(result.plan.merged), result.case.name


def test_the_tool_writes_what_copier_writes(results: list[Result]) -> None:
    assert not {result.case.name: result.differing for result in results if result.differing}


def test_the_published_page_knows_every_edit_and_release() -> None:
    page = (ROOT / "docs/clean-rate.md").read_text()
    unknown = [e.name for e in [*edits.OWNED, *edits.MANAGED[0], *edits.MANAGED[1]] if f"| {e.name} |" not in page]
    assert not unknown, "run `uv run python -m tests.updates.replay`"
    earlier = set(commits()) - {f"v{version()}"}
    assert earlier <= set(re.findall(r"v\d+\.\d+\.\d+", page)), "run `uv run python -m tests.updates.replay`"


TIDY: tuple[Edit, ...] = tuple(edit for edit in edits.OWNED if edit.tidy)


@pytest.mark.parametrize("app_type", ["web", "microservice", "ml", "static"])
def test_an_updated_project_still_passes_its_own_checks_and_tests(history: Path, tmp_path: Path, app_type: str) -> None:
    start = "v0.1.0" if app_type == "web" else "v0.2.0"
    chosen = tuple(edit for edit in TIDY if edit.group != "taken over")
    project, _ = prepare(history, tmp_path, Case(start, (CANDIDATE,), {"app_type": app_type}, chosen))
    assert update(project, CANDIDATE) == []
    project.run("uv", "sync", "--quiet")
    project.lock_frontend()
    project.commit("Update")
    assert "Failed" not in project.run("uv", "run", "pre-commit", "run", "--all-files")
    assert "passed" in project.run("uv", "run", "pytest", "--quiet")


@pytest.mark.docker
def test_an_updated_project_still_builds_an_image_that_keeps_its_contract(history: Path, tmp_path: Path) -> None:
    added = tuple(edit for edit in TIDY if edit.group in {"source and tests", "dependencies and tools", "new files"})
    case = Case("v0.2.0", (CANDIDATE,), {"app_type": "web"}, added)
    project, _ = prepare(history, tmp_path, case, "towpath-upd-image")
    update(project, CANDIDATE)
    project.run("uv", "sync", "--quiet")
    try:
        project.bake()
        assert "passed" in project.run("uv", "run", "pytest", "--quiet", ".towpath/test_image.py")
    finally:
        Project(project.path).try_run("docker", "image", "rm", "--force", f"{project.slug}:latest")
