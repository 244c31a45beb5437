"""What a security team looks for: least privilege with its reason, pins, no secret or foreign text astray."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import ROOT
from ..project import Project
from . import github, gitlab

# Pinned by an exact version: the digests are the bot's to add, as no registry can be asked where this is written.
LEFT_TO_THE_BOT = {
    "docker:29.8.1-cli",
    "ghcr.io/sigstore/cosign/cosign:v3.0.6",
    "docker:29.8.1-dind",
    "ghcr.io/aquasecurity/trivy:0.72.0",
    "ghcr.io/astral-sh/uv:0.13.9-python3.14-trixie",
    "registry.gitlab.com/gitlab-org/cli:v1.99.0",
}


@pytest.fixture(params=["a service", "this repository"])
def repository(request: pytest.FixtureRequest, project: Project) -> Path:
    return project.path if request.param == "a service" else ROOT


@pytest.fixture
def workflows(repository: Path) -> dict[str, Any]:
    return {path.name: github.load(path) for path in sorted(repository.glob(".github/workflows/*.yml"))}


def jobs(workflows: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, workflow in workflows.items():
        for key, job in workflow["jobs"].items():
            yield f"{name}: {key}", job


def steps(workflows: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, job in jobs(workflows):
        for step in job.get("steps", []):
            yield name, step


def test_nothing_is_granted_but_to_a_job_with_a_reason(repository: Path, workflows: dict[str, Any]) -> None:
    for name, workflow in workflows.items():
        assert workflow["permissions"] == {}, name
        text = (repository / ".github/workflows" / name).read_text()
        for grant in re.findall(r"^ {6}[a-z-]+: (?:read|write).*$", text, re.MULTILINE):
            assert re.search(r" # to \w+", grant), f"{name}: {grant.strip()} without a reason"
    for name, job in jobs(workflows):
        assert isinstance(job["permissions"], dict), name


def test_every_action_is_pinned_by_its_commit(workflows: dict[str, Any]) -> None:
    for name, step in steps(workflows):
        if action := step.get("uses"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), f"{name}: {action}"


def test_every_image_is_pinned_by_an_exact_version(repository: Path, workflows: dict[str, Any]) -> None:
    text = (repository / ".gitlab-ci.yml").read_text()
    images = set(re.findall(r"(?:image: |name: |docker create \"\${BASE_REGISTRY})([^\s)\"]+[:@][^\s)\"]+)", text))
    for _, step in steps(workflows):
        images |= set(re.findall(r"\${BASE_REGISTRY}(\S+:\S+)\" image ", step.get("run", "")))
    assert images
    assert {image for image in images if "@sha256:" not in image} <= LEFT_TO_THE_BOT


def test_no_credential_stays_behind_a_checkout(workflows: dict[str, Any]) -> None:
    for name, step in steps(workflows):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_a_workflow_never_runs_foreign_code_with_this_repositorys_rights(workflows: dict[str, Any]) -> None:
    for name, workflow in workflows.items():
        assert not {"pull_request_target", "workflow_run", "issue_comment"} & set(workflow["on"]), name


def test_no_script_contains_an_expression(workflows: dict[str, Any]) -> None:
    for name, step in steps(workflows):
        assert "${{" not in step.get("run", ""), f"{name}: what others wrote could become a command"


def test_secrets_are_given_to_the_step_that_uses_them_alone(workflows: dict[str, Any]) -> None:
    for name, workflow in workflows.items():
        assert "secrets." not in str(workflow.get("env")), name
    for name, job in jobs(workflows):
        assert "secrets." not in str(job.get("env")), name
        assert "secrets" not in job, f"{name} hands secrets on"
    for name, step in steps(workflows):
        assert "secrets." not in str({key: value for key, value in step.items() if key != "env"}), name


def test_a_release_takes_nothing_from_a_cache(repository: Path, workflows: dict[str, Any]) -> None:
    for name, step in steps(workflows):
        action = step.get("uses", "")
        if action.startswith("astral-sh/setup-uv@"):
            assert step["with"]["enable-cache"] is False, name
        if action.startswith("actions/cache@"):
            assert not github.evaluate(step["if"], {"github.ref_type": "tag"}), name
    for name, job in gitlab.load(repository / ".gitlab-ci.yml").items():
        if isinstance(job, dict) and "cache" in job:
            assert "$CI_COMMIT_TAG" in job["cache"]["key"]["prefix"], name


def test_what_supersedes_a_run_cancels_it_unless_it_releases(repository: Path, workflows: dict[str, Any]) -> None:
    for name, workflow in workflows.items():
        assert workflow["concurrency"]["cancel-in-progress"] is (name == "verify.yml"), name
    pipeline = gitlab.load(repository / ".gitlab-ci.yml")
    assert pipeline["workflow"]["auto_cancel"] == {"on_new_commit": "interruptible"}
    assert pipeline["default"]["interruptible"] is True
    assert pipeline.get(".release", pipeline.get("release"))["interruptible"] is False


def test_every_job_ends_in_time(repository: Path, workflows: dict[str, Any]) -> None:
    for name, job in jobs(workflows):
        assert "uses" in job or job["timeout-minutes"] <= 90, name
    for name, job in gitlab.load(repository / ".gitlab-ci.yml").items():
        if isinstance(job, dict) and "script" in job:
            assert "timeout" in job, name
