"""Which jobs an event brings about on GitLab, and that what a project adds of its own comes along."""

from pathlib import Path

import pytest

from ..conftest import Generate, copy
from ..project import Project
from . import github, gitlab

CHECKS = ["lint", "test"]
EXPECTED = {
    "default branch": [*CHECKS, "image-amd64", "image-arm64"],
    "other branch": [],
    "merge request": [*CHECKS, "image-amd64", "image-arm64"],
    "tag": [*CHECKS, "release-amd64", "release-arm64", "publish", "deploy"],
    "other tag": [],
    "schedule": ["update"],
}


@pytest.fixture
def runner(project: Project, tmp_path: Path, gitlab_ci_local: list[str]) -> gitlab.Runner:
    return gitlab.Runner(project, tmp_path, gitlab_ci_local)


def test_each_event_brings_about_its_jobs(runner: gitlab.Runner) -> None:
    assert {event: runner.jobs(**variables) for event, variables in gitlab.EVENTS.items()} == EXPECTED


def test_a_variable_leaves_an_architecture_out(runner: gitlab.Runner, project: Project) -> None:
    jobs = runner.jobs(**gitlab.EVENTS["tag"], ARCHITECTURES='["amd64"]')
    assert "release-amd64" in jobs
    assert "release-arm64" not in jobs
    matrix = github.load(project.path / ".github/workflows/verify.yml")["jobs"]["image"]["strategy"]["matrix"]["arch"]
    assert github.filled(matrix, {}) == ["amd64", "arm64"]
    assert github.filled(matrix, {"vars.ARCHITECTURES": '["amd64"]'}) == ["amd64"]


def test_nothing_needs_what_is_not_there_or_itself(
    generate: Generate, tmp_path: Path, gitlab_ci_local: list[str]
) -> None:
    for app_type in ("web", "microservice", "ml", "static"):
        project = generate("towpath-ci-lint", ci=["github", "gitlab"], app_type=app_type)
        folder = tmp_path / app_type
        folder.mkdir()
        runner = gitlab.Runner(project, folder, gitlab_ci_local)
        for event in ("merge request", "tag"):
            checked = runner.call("--validate-dependency-chain", **gitlab.EVENTS[event])
            assert checked.returncode == 0, checked.stdout
        for path in (project.path / ".github/workflows").glob("*.yml"):
            jobs = github.load(path)["jobs"]
            order = list(jobs)
            for key, job in jobs.items():
                assert all(order.index(need) < order.index(key) for need in github.needs(job)), (path, key)


def test_a_project_adds_jobs_of_its_own(template: Path, tmp_path: Path, gitlab_ci_local: list[str]) -> None:
    project = copy(template, tmp_path, "towpath-ci-own", ci=["gitlab"])
    (project.path / ".gitlab").mkdir()
    (project.path / ".gitlab/ci.yml").write_text("own:\n  stage: check\n  script: [echo ours]\n")
    project.commit("Add a job")
    (tmp_path / "runner").mkdir()
    runner = gitlab.Runner(project, tmp_path / "runner", gitlab_ci_local)
    assert "own" in runner.jobs(**gitlab.EVENTS["merge request"])
    assert "ours" in runner.call("own").stdout
