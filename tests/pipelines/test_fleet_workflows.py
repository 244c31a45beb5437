"""The workflows to copy, run as they stand: a report in shards, and a rollout that a schedule continues.

Stood in for: the forge, by a server of this machine that has the forge's API and holds the fleet, the platform team's
repository and, in private, the tool: git finds this working tree there as the release that the workflows name.
"""

import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from towpath.waves import Rollout

from ..conftest import ROOT
from ..project import Project
from ..tool.fleets import commit, populate, releases, selector, towpath
from ..tool.forges.server import Call, FakeForge
from . import github as on_github
from . import gitlab as on_gitlab
from .conftest import clone
from .steps import Job

WORKFLOWS = ROOT / "docs/workflows"
OWNER = "ORG"  # as the workflows have it
SERVICES = [f"{OWNER}/{name}" for name in ("orders", "parcels", "stock")]
FLEET_TOKEN, JOB_TOKEN = "secret-token", "job-token"
WAITING = 5


class Platform(ABC):
    """A platform team's repository on a forge, with one of the workflows.

    Attributes:
        forge: The forge.
        hosted: The repository.
        tool: The repository of the tool.
        workflow: What the workflow is called in `docs/workflows/`, without the name of the forge.
        queued: The commit that every run is made for, however many commits came while it waited for its turn.
        runs: The folder of each run.
    """

    def __init__(self, forge: FakeForge, folder: Path, tool: Path) -> None:
        self.forge = forge
        self.hosted = forge.host(f"{OWNER}/platform")
        self.workflow = ""
        self.queued = ""
        self.runs: list[Path] = []
        self._folder = folder
        self.tool = forge.host_empty(f"{OWNER}/towpath")
        self.tool.git("fetch", "--quiet", str(tool), "+refs/tags/*:refs/tags/*")

    def add(self, workflow: str, **files: str) -> None:
        """Copy a workflow to where the forge reads it, and files beside it."""
        self.workflow = workflow
        target, text = self.copied()
        self.queued = commit(self.hosted, {target: text, **files})

    def run(self) -> dict[str, Job]:
        """What the schedule starts, on a fresh runner. Neither log, git's settings nor its arguments tell the token."""
        folder = self._folder / f"run-{len(self.runs)}"
        self.runs.append(folder)
        (folder / "home").mkdir(parents=True)
        named = "".join(f"insteadOf = https://{kind}.com/{self.tool.name}\n" for kind in ("github", "gitlab"))
        (folder / "home/.gitconfig").write_text(f'[url "{self.forge.clone_url(self.tool)}"]\n{named}')
        jobs = self.run_in(folder, {"GIT_TRACE": str(folder / "trace")})
        settings = [path.read_text() for path in folder.rglob("config") if path.is_file()]
        for text in (*map(printed, jobs.values()), *settings, (folder / "trace").read_text()):
            assert FLEET_TOKEN not in text
        return jobs

    def kept(self, pattern: str) -> list[str]:
        """What is in the files that the last run kept as artifacts."""
        return [path.read_text() for path in sorted(self.runs[-1].glob(f"**/artifacts/**/{pattern}"))]

    @abstractmethod
    def copied(self) -> tuple[str, str]:
        """Where the forge reads the workflow, and its text."""

    @abstractmethod
    def run_in(self, folder: Path, variables: dict[str, str]) -> dict[str, Job]:
        """Run it with variables that the runner has."""


class OnGitHub(Platform):
    """A platform team on GitHub, where a job's own token may do what the workflow asks for."""

    def copied(self) -> tuple[str, str]:
        return f".github/workflows/{self.workflow}.yml", (WORKFLOWS / f"{self.workflow}.github.yml").read_text()

    def run_in(self, folder: Path, variables: dict[str, str]) -> dict[str, Job]:
        self.forge.tokens[JOB_TOKEN] = {"read", "push"}
        project = clone(self.forge, self.hosted, folder / "source/platform")
        contexts = {
            "github.ref": "refs/heads/main",
            "github.server_url": self.forge.web,
            "github.token": JOB_TOKEN,
            "secrets.FLEET_TOKEN": FLEET_TOKEN,
        }
        runner = on_github.Runner(project, folder, contexts)
        runner.variables |= {"GITHUB_API_URL": f"{self.forge.web}{self.forge.api}", **variables}
        runner.stand_ins["actions/checkout"] = self.checkout
        return runner.run(self.workflow)

    def checkout(self, inputs: dict[str, Any], workspace: Path) -> None:
        """The newest commit of the branch that is named, else the one that the run was made for."""
        assert inputs["persist-credentials"] is False
        project = clone(self.forge, self.hosted, workspace)
        if inputs.get("ref") != "refs/heads/main":
            project.git("reset", "--quiet", "--hard", self.queued)


class OnGitLab(Platform):
    """A platform team on GitLab, where a job's own token may only read; it is in the address that a job clones from."""

    def __init__(self, forge: FakeForge, folder: Path, tool: Path, gitlab_ci_local: list[str]) -> None:
        super().__init__(forge, folder, tool)
        self.gitlab_ci_local = gitlab_ci_local

    def copied(self) -> tuple[str, str]:
        return ".gitlab-ci.yml", (WORKFLOWS / f"{self.workflow}.gitlab-ci.yml").read_text()

    def run_in(self, folder: Path, variables: dict[str, str]) -> dict[str, Job]:
        self.forge.tokens[JOB_TOKEN] = {"read"}
        project = clone(self.forge, self.hosted, folder / "source/platform")
        runner = on_gitlab.Runner(project, folder, self.gitlab_ci_local, isolated=True)
        runner.environment |= variables
        workspace = Project(runner.workspace)
        workspace.git("checkout", "--quiet", "--detach", self.queued)
        address = self.forge.clone_url(self.hosted).replace("://", f"://gitlab-ci-token:{JOB_TOKEN}@")
        workspace.git("remote", "set-url", "origin", address)
        given = {"CI_API_V4_URL": f"{self.forge.web}{self.forge.api}", "GITLAB_TOKEN": FLEET_TOKEN}
        schedule = {name: value for name, value in on_gitlab.EVENTS["schedule"].items() if value}
        jobs = [name for name, job in runner.pipeline.items() if "script" in job]
        return runner.run(*jobs, **given, **schedule)


@pytest.fixture(params=["github", "gitlab"])
def platform(request: pytest.FixtureRequest, tmp_path: Path, tool: Path) -> Platform:
    forge: FakeForge = request.getfixturevalue(request.param)
    if request.param == "github":
        return OnGitHub(forge, tmp_path, tool)
    return OnGitLab(forge, tmp_path, tool, request.getfixturevalue("gitlab_ci_local"))


def printed(job: Job) -> str:
    """All that a job said."""
    return "".join(f"{step.command}\n{step.output}" for step in job.steps)


def test_a_report_in_shards_has_each_repository_once(platform: Platform, tmp_path: Path) -> None:
    template = releases(tmp_path)
    behind, *current = populate(platform.forge, template, SERVICES, topics=["service"])
    newest = template.project(tmp_path / "newest", "v1.1.0")
    for hosted in current:
        hosted.git("fetch", "--quiet", str(newest.path), "+HEAD:refs/heads/main")
    unknown = platform.forge.host(f"{OWNER}/unknown", topics=["service"])
    platform.add("fleet-report")
    for job in platform.run().values():
        assert job.passed, printed(job)
    shards = [json.loads(text)["repositories"] for text in platform.kept("shard*.json")]
    assert len(shards) == 8
    rows = [row for shard in shards for row in shard]
    assert sorted(row["name"] for row in rows) == sorted([*SERVICES, unknown.name])
    assert [row["name"] for row in rows if row["behind"]] == [behind.name]
    assert [row["name"] for row in rows if row["problem"]] == [unknown.name]
    (page,) = platform.kept("fleet.html")
    for name in SERVICES:
        assert len(re.findall(rf'<th scope="row">(?:<a [^>]*>)?{name}<', page)) == 1, name
    assert page.count(f'<p class="soft">{unknown.name}</p>') == 1


def test_a_report_that_cannot_be_made_is_red_where_it_fails(platform: Platform) -> None:
    platform.add("fleet-report")
    platform.forge.tokens[FLEET_TOKEN] = {"push"}
    jobs = platform.run()
    assert jobs["status"].failed
    assert "The token in" in printed(jobs["status"])
    assert jobs["report"].skipped


def begin(platform: Platform, folder: Path) -> None:
    """Ask the first repository of a rollout, and give what is known of it to the workflow."""
    populate(platform.forge, releases(folder), SERVICES, topics=["service"])
    file = folder / "rollout.json"
    fleet = f"{selector(platform.forge, OWNER)}?topic=service"
    start = ["waves", "start", fleet, "--canary", SERVICES[0], "--steps", "100", "--state", str(file)]
    towpath(platform.forge, folder / "cache", *start, exit_code=WAITING)
    platform.add("rollout", **{"rollout.json": file.read_text()})


def state(platform: Platform) -> Rollout:
    """The rollout as the platform team's repository has it."""
    return Rollout.model_validate_json(platform.hosted.git("show", "main:rollout.json"))


def outcomes(platform: Platform) -> Counter[str]:
    return Counter(standing.outcome for standing in state(platform).repositories.values())


def test_a_schedule_continues_a_rollout_to_its_end(platform: Platform, tmp_path: Path) -> None:
    forge = platform.forge
    begin(platform, tmp_path)

    def run() -> None:
        job = platform.run()["continue"]
        assert job.passed, printed(job)

    run()
    assert len(forge.proposals) == 1
    assert platform.hosted.tip("main") == platform.queued, "nothing came of it, so nothing is committed"

    def push_meanwhile(call: Call) -> None:
        if call.method == "POST":
            forge.before = lambda _: None
            commit(platform.hosted, {"notes.txt": "Of somebody else.\n"})

    forge.before = push_meanwhile
    assert forge.merge(forge.proposals[0])
    run()
    assert outcomes(platform) == {"merged": 1, "requested": 2}
    assert platform.hosted.git("show", "main:notes.txt") == "Of somebody else."

    for proposal in forge.open_proposals():
        assert forge.merge(proposal)
    run()
    assert outcomes(platform) == {"merged": 3}


def test_a_rollout_that_pauses_or_breaks_is_red_and_kept(platform: Platform, tmp_path: Path) -> None:
    begin(platform, tmp_path)
    platform.forge.proposals[0].close("closed")
    paused = platform.run()["continue"]
    assert paused.failed
    assert "people closed the request" in printed(paused)
    assert state(platform).paused
    assert outcomes(platform) == {"failed": 1, "waiting": 2}

    commit(platform.hosted, {"rollout.json": "{}"})
    broken = platform.run()["continue"]
    assert broken.failed
    assert "not the file of a rollout" in printed(broken)


def test_only_a_schedule_or_a_person_starts_a_workflow() -> None:
    """What a workflow pushes does not start it again."""
    for path in sorted(WORKFLOWS.iterdir()):
        if path.name.endswith(".github.yml"):
            assert set(on_github.load(path)["on"]) == {"schedule", "workflow_dispatch"}
        else:
            pipeline = on_gitlab.load(path)
            started = [name for name, event in on_gitlab.EVENTS.items() if on_gitlab.created(pipeline, event)]
            assert started == ["schedule"], path.name
