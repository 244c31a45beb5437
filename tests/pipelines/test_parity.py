"""One contract on two forges: the same jobs run the same commands in the same order, behind the same gates."""

import re
from pathlib import Path
from typing import Any

import pytest

from ..combinations import COMBINATIONS, name_of
from ..conftest import Generate, copy
from ..project import Project
from . import github, gitlab

# How one forge says what the other has no command for: outputs, and the tools that come with an action or an image.
REDIRECTIONS = {' >> "$GITHUB_OUTPUT"': "", " > release.env": ""}
TOOLS = ("apk add", "pip install", "docker cp")
# Variables that are GitLab's own settings or come from an earlier job, where GitHub has to hand them on by name.
HANDED_ON = {
  "BASE_REGISTRY", "COSIGN_PASSWORD", "COSIGN_PRIVATE_KEY", "COSIGN_PUBLIC_KEY", "SIGNING",
  "DEPLOY_HOST", "DEPLOY_KNOWN_HOSTS", "DEPLOY_PATH", "DEPLOY_SSH_KEY", "GITHUB_TOKEN", "IMAGE", "TRAIN_IMAGE",
}  # fmt: skip
# Variables about the runner alone.
OF_RUNNERS = {"DOCKER_CERT_PATH", "DOCKER_HOST", "DOCKER_TLS_CERTDIR", "DOCKER_TLS_VERIFY", "XDG_CACHE_HOME"}


def plain(command: str) -> str:
    """A command without what only its forge needs."""
    for redirection, nothing in REDIRECTIONS.items():
        command = command.replace(redirection, nothing)
    return command


class Forge:
    """What a forge's pipelines come to: for each job its commands, its gates, its variables and its limits."""

    def __init__(self) -> None:
        self.commands: dict[str, list[str]] = {}
        self.after: dict[str, set[str]] = {}
        self.variables: dict[str, set[str]] = {}
        self.minutes: dict[str, int] = {}
        self.protected: set[str] = set()


def of_github(project: Project) -> Forge:
    """GitHub: a job of a matrix counts once for each architecture, as its name says."""
    forge = Forge()
    names: dict[str, list[str]] = {}
    for path in sorted((project.path / ".github/workflows").glob("*.yml")):
        workflow = github.load(path)
        for key, job in workflow["jobs"].items():
            if "uses" in job:
                # What it calls is read where it stands.
                names[key] = ["lint", "test"]
                continue
            matrix = job.get("strategy", {}).get("matrix", {}).get("arch", "${{ fromJSON('[\"\"]') }}")
            names[key] = []
            for architecture in github.filled(matrix, {}):
                name = github.filled(job["name"], {"matrix.arch": architecture})
                names[key].append(name)
                steps = [step for step in job["steps"] if "run" in step]
                forge.commands[name] = [plain(step["run"]) for step in steps]
                forge.after[name] = {before for need in github.needs(job) for before in names[need]}
                forge.minutes[name] = job["timeout-minutes"]
                levels = [workflow, job, *steps]
                forge.variables[name] = {variable for level in levels for variable in level.get("env", {})}
                if "environment" in job:
                    forge.protected.add(name)
    return forge


def of_gitlab(runner: gitlab.Runner) -> Forge:
    """GitLab: a job waits for those of the stages before it that run on the same event."""
    forge = Forge()
    pipeline = runner.pipeline
    for event in ({}, {"CI_COMMIT_TAG": "v1.2.3", "CI_COMMIT_BRANCH": None}, {"CI_PIPELINE_SOURCE": "schedule"}):
        jobs = runner.jobs(**({"CI_COMMIT_BRANCH": "main", "CI_PIPELINE_SOURCE": "push"} | event))
        stages = [stage for stage in pipeline["stages"] if any(runner.stage(job) == stage for job in jobs)]
        for name in jobs:
            job = merged(pipeline, name)
            forge.commands[name] = [plain(line) for line in job["script"] if not line.startswith(TOOLS)]
            before = stages[max(0, stages.index(runner.stage(name)) - 1)]
            forge.after[name] = {other for other in jobs if runner.stage(other) == before} - {name}
            if before == runner.stage(name):
                forge.after[name] = set()
            forge.minutes[name] = int(job["timeout"].split()[0])
            forge.variables[name] = set(job.get("variables", {}))
            if "environment" in job:
                forge.protected.add(name)
    return forge


def merged(pipeline: Any, name: str) -> dict[str, Any]:
    """A job with what it extends."""
    job: dict[str, Any] = pipeline[name]
    extended = job.get("extends", [])
    result: dict[str, Any] = {}
    for parent in [extended] if isinstance(extended, str) else extended:
        inherited = merged(pipeline, parent)
        result |= {**inherited, "variables": result.get("variables", {}) | inherited.get("variables", {})}
    return {**result, **job, "variables": result.get("variables", {}) | job.get("variables", {})}


@pytest.fixture
def forges(
    request: pytest.FixtureRequest, generate: Generate, tmp_path: Path, gitlab_ci_local: list[str]
) -> tuple[Forge, Forge]:
    """Both forges of a project with these answers."""
    project = generate("towpath-ci-parity", **request.param | {"ci": ["github", "gitlab"], "deploy": "compose"})
    return of_github(project), of_gitlab(gitlab.Runner(project, tmp_path, gitlab_ci_local))


@pytest.mark.parametrize("forges", [COMBINATIONS[0], *COMBINATIONS[-2:]], indirect=True, ids=name_of)
def test_both_forges_run_the_same_commands_behind_the_same_gates(forges: tuple[Forge, Forge]) -> None:
    on_github, on_gitlab = forges
    assert on_github.commands == on_gitlab.commands
    assert on_github.after == on_gitlab.after
    assert on_github.minutes == on_gitlab.minutes
    assert on_github.protected == on_gitlab.protected == {"deploy"}
    for name, variables in on_github.variables.items():
        assert variables - HANDED_ON == on_gitlab.variables[name] - OF_RUNNERS, name


def test_every_variable_that_the_release_reads_is_given_to_it(project: Project) -> None:
    read = set(re.findall(r'os\.environ(?:\.get\(|\[)["\'](\w+)', project.text(".towpath/release.py")))
    given = of_github(project).variables
    assert read - OF_RUNNERS <= given["release-amd64"] | given["publish"] | given["deploy"]


def test_a_step_on_one_forge_only_is_noticed(template: Path, tmp_path: Path, gitlab_ci_local: list[str]) -> None:
    project = copy(template, tmp_path, "towpath-ci-parity", ci=["github", "gitlab"])
    workflow = project.path / ".github/workflows/verify.yml"
    command = "      - run: docker buildx bake\n"
    workflow.write_text(workflow.read_text().replace(command, f"{command}      - run: echo more\n"))
    (tmp_path / "runner").mkdir()
    on_gitlab = of_gitlab(gitlab.Runner(project, tmp_path / "runner", gitlab_ci_local))
    assert of_github(project).commands != on_gitlab.commands
