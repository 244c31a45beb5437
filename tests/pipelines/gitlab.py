"""GitLab pipelines run on this machine, by gitlab-ci-local."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ..project import Project
from .steps import Job, Step, machine

# Events as GitLab's predefined variables tell them.
EVENTS: dict[str, dict[str, str | None]] = {
    "default branch": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "main"},
    "other branch": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": "feature"},
    "merge request": {"CI_PIPELINE_SOURCE": "merge_request_event", "CI_COMMIT_BRANCH": None},
    "tag": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": None, "CI_COMMIT_TAG": "v1.2.3"},
    "other tag": {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_BRANCH": None, "CI_COMMIT_TAG": "nightly"},
    "schedule": {"CI_PIPELINE_SOURCE": "schedule", "CI_COMMIT_BRANCH": "main"},
}


def load(path: Path) -> Any:
    """A pipeline as it is written."""
    return yaml.safe_load(path.read_text())


def created(pipeline: Any, event: dict[str, str | None]) -> bool:
    """Whether an event makes a pipeline at all: `workflow: rules`, which gitlab-ci-local does not read."""
    variables = {"CI_DEFAULT_BRANCH": "main", **event}
    return any(evaluate(rule["if"], variables) for rule in pipeline["workflow"]["rules"])


def evaluate(condition: str, variables: dict[str, str | None]) -> bool:
    """Comparisons of a variable with a text, another variable or a pattern, one of which has to hold."""
    return any(compare(comparison, variables) for comparison in condition.split(" || "))


def compare(condition: str, variables: dict[str, str | None]) -> bool:
    """Whether one of them holds."""
    match = re.fullmatch(r'\$(\w+) (==|=~) (?:"(.*)"|\$(\w+)|/(.*)/)', condition)
    assert match, f"no reading of {condition}"
    left, operator, text, other, pattern = match.groups()
    value = variables.get(left)
    if operator == "=~":
        return value is not None and re.search(pattern, value) is not None
    return value is not None and value == (text if other is None else variables.get(other))


class Runner:
    """Runs the pipeline of a project as GitLab would for one commit.

    What it stands in for: images (a job's commands find the tools of this machine, and `apk` and `pip` do nothing),
    `services` (the engine of this machine), `cache` and artifacts (those of gitlab-ci-local).

    Args:
        project: The project.
        folder: An empty folder to work in.
        gitlab_ci_local: The command.
        isolated: Each job has a work tree of its own, so that only artifacts pass from one to the next.
    """

    def __init__(self, project: Project, folder: Path, gitlab_ci_local: list[str], isolated: bool = False) -> None:
        self.folder = folder
        self.command = [*gitlab_ci_local, *(["--shell-isolation", "--no-artifacts-to-source"] if isolated else [])]
        self.workspace = folder / project.slug
        project.git("clone", "--quiet", "--no-local", str(project.path), str(self.workspace))
        clone = Project(self.workspace)
        clone.git("remote", "set-url", "origin", f"https://gitlab.example.com/group/{project.slug}.git")
        pipeline = load(self.workspace / ".gitlab-ci.yml")
        self.pipeline = pipeline
        for job in pipeline.values():
            if isinstance(job, dict):
                job.pop("services", None)
        # Beside the work tree, which a job finds as it was committed.
        (folder / "pipeline.yml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
        tools = folder / "tools"
        tools.mkdir()
        for name in ("apk", "pip"):
            (tools / name).write_text("#!/bin/sh\n")
            (tools / name).chmod(0o755)
        self.environment = machine(folder / "home")
        self.environment["PATH"] = f"{tools}:{self.environment['PATH']}"

    def call(self, *arguments: str, **variables: str | None) -> subprocess.CompletedProcess[str]:
        """Call gitlab-ci-local; a variable that is None is unset."""
        given = {"CI_DEFAULT_BRANCH": "main", **variables}
        options = [f"--variable={name}={value}" for name, value in given.items() if value is not None]
        options += [f"--unset-variable={name}" for name, value in given.items() if value is None]
        return subprocess.run(
            [
                *self.command,
                f"--home={self.folder / 'home'}",
                "--file=../pipeline.yml",
                "--state-dir=../state",
                "--color=false",
                "--force-shell-executor",
                f"--ignore-predefined-vars={','.join(given)}",
                *options,
                *arguments,
            ],
            cwd=self.workspace,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
        )

    def jobs(self, **variables: str | None) -> list[str]:
        """The jobs that an event brings about, in the order of their stages."""
        if not created(self.pipeline, variables):
            return []
        printed = self.call("--list-json", **variables).stdout
        assert "\n[\n" in printed, printed
        return [job["name"] for job in json.loads(printed[printed.index("[\n") :]) if job["when"] != "never"]

    def run(self, *jobs: str, **variables: str) -> dict[str, Job]:
        """Run jobs, none of which waits for one that is not named."""
        engine = {"DOCKER_HOST": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")}
        done: dict[str, Job] = {}
        stages = self.pipeline["stages"]
        for name in sorted(jobs, key=lambda job: stages.index(self.stage(job))):
            earlier = [job for job in done.values() if self.stage(job.name) != self.stage(name)]
            if not all(job.passed for job in earlier):
                done[name] = Job(name, skipped=True)
                continue
            # One after the other where they are parallel, so that what they print is told apart.
            options = ["--concurrency=1"]
            ended = self.call(name, *options, **engine, DOCKER_TLS_VERIFY=None, DOCKER_CERT_PATH=None, **variables)
            done[name] = Job(name, self.steps(ended.stdout, ended.returncode))
        return done

    def stage(self, name: str) -> str:
        """The stage of a job, which it may have from what it extends."""
        job = self.pipeline[name]
        extended = job.get("extends", [])
        inherited = [extended] if isinstance(extended, str) else extended
        return str(job["stage"] if "stage" in job else self.stage(inherited[0]))

    @staticmethod
    def steps(printed: str, code: int) -> list[Step]:
        """The commands of a job with what they printed; the last one is the one that ended it."""
        steps: list[Step] = []
        for line in printed.splitlines():
            if match := re.match(r"\S+(?: \[.*?\])? +\$ (.*)", line):
                steps.append(Step(match[1], 0, ""))
            elif steps:
                last = steps.pop()
                steps.append(Step(last.command, 0, f"{last.output}{line}\n"))
        assert steps, f"no command was run:\n{printed}"
        last = steps.pop()
        return [*steps, Step(last.command, code, last.output)]
