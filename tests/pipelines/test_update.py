"""The scheduled job that looks for updates, run on both forges.

Stood in for: the forge, by a server of this machine that holds the project and has the forge's API; the public address
of the tool, where git finds this working tree as the release that the job names.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ..conftest import copy, release
from ..project import Project
from ..tool.forges.server import Hosted
from . import github as on_github
from . import gitlab as on_gitlab
from .conftest import clone, lock
from .steps import Job


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_the_scheduled_job_keeps_one_request_open_until_it_is_merged(
    kind: str, request: pytest.FixtureRequest, template: Path, tmp_path: Path, git_settings: str
) -> None:
    forge: Any = request.getfixturevalue(kind)
    template = Path(shutil.copytree(template, tmp_path / "template"))
    project = copy(template, tmp_path, "orders", ci=["github", "gitlab"])
    lock(project)
    bake = template / "template/docker-bake.hcl.jinja"
    bake.write_text(f"{bake.read_text()}# A better practice.\n")
    release(template, "v1.1.0")
    hosted = forge.host_empty("acme/orders")
    hosted.git("fetch", "--quiet", str(project.path), "+HEAD:refs/heads/main")

    def run(number: int, environment: dict[str, str]) -> Job:
        folder = tmp_path / str(number)
        (folder / "home").mkdir(parents=True)
        (folder / "home/.gitconfig").write_text(git_settings)
        if kind == "github":
            return on_github_runner(forge, hosted, folder, environment)
        return on_gitlab_runner(request, forge, hosted, folder, environment)

    environment = forge.environment()
    refused = run(0, {name: value for name, value in environment.items() if "TOKEN" not in name})
    assert refused.failed
    assert f"{kind.upper()}_TOKEN" in refused.last.output
    for number in (1, 2):
        job = run(number, environment)
        assert job.passed, job.last.output
        (proposal,) = forge.open_proposals()
        changed = hosted.git("diff", "--name-only", "main", proposal.branch).splitlines()
        assert set(changed) == {".copier-answers.yml", "docker-bake.hcl"}
    assert forge.merge(proposal)
    assert "current" in run(3, environment).last.output
    assert not forge.open_proposals()


def on_github_runner(forge: Any, hosted: Hosted, folder: Path, environment: dict[str, str]) -> Job:
    """Run the job of GitHub, whose runner tells every step where the API is."""
    project = clone(forge, hosted, folder / "source/orders")
    token = environment.get("GITHUB_TOKEN", "")
    runner = on_github.Runner(project, folder, {"github.token": "may not push", "secrets.TOWPATH_TOKEN": token})
    runner.variables["GITHUB_API_URL"] = environment["GITHUB_API_URL"]

    def checkout(_: Any, workspace: Path) -> None:
        clone(forge, hosted, workspace)

    runner.stand_ins["actions/checkout"] = checkout
    return runner.run("update")["update"]


def on_gitlab_runner(
    request: pytest.FixtureRequest, forge: Any, hosted: Hosted, folder: Path, environment: dict[str, str]
) -> Job:
    """Run the job of GitLab, which gets variables of the project and predefined ones."""
    project = clone(forge, hosted, folder / "source/orders")
    runner = on_gitlab.Runner(project, folder, request.getfixturevalue("gitlab_ci_local"))
    Project(runner.workspace).git("remote", "set-url", "origin", forge.clone_url(hosted))
    variables = {name: value for name, value in on_gitlab.EVENTS["schedule"].items() if value}
    return runner.run("update", **variables, **environment)["update"]
