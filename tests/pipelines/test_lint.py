"""Linters, auditors and schemas find nothing in any pipeline, whatever was answered."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..combinations import COMBINATIONS, name_of
from ..conftest import ROOT, Generate
from ..project import Project

# Each type with and without what changes its pipelines.
ANSWERS = [{**answers, "deploy": deploy} for answers in COMBINATIONS[::2] for deploy in ("compose", "none")]


@pytest.fixture(params=[*ANSWERS, "this repository"], ids=name_of)
def repository(request: pytest.FixtureRequest, generate: Generate) -> Project:
    """A repository with pipelines on both forges."""
    if isinstance(request.param, str):
        return Project(ROOT)
    return generate("towpath-ci-lint", **request.param | {"ci": ["github", "gitlab"]})


def workflows(repository: Project) -> list[str]:
    return sorted(str(path) for path in repository.path.glob(".github/workflows/*.yml"))


def test_the_auditors_of_github_workflows_find_nothing(repository: Project) -> None:
    repository.run("actionlint", "-oneline", *workflows(repository))
    printed = repository.run("zizmor", "--offline", "--pedantic", "--no-progress", *workflows(repository))
    assert "No findings" in printed


def test_every_pipeline_fits_the_schema_of_its_forge(repository: Project) -> None:
    check = ["check-jsonschema", "--builtin-schema"]
    repository.run(*check, "vendor.github-workflows", *workflows(repository))
    repository.run(*check, "vendor.gitlab-ci", ".gitlab-ci.yml")


def test_the_scripts_that_pipelines_run_are_typed(project: Project) -> None:
    for script in sorted((project.path / ".towpath").glob("*.py")):
        if not script.name.startswith("test_"):
            project.run("mypy", "--strict", "--config-file=", str(script))


def test_an_auditor_would_find_something(project: Project, tmp_path: Path) -> None:
    workflow = (project.path / ".github/workflows/verify.yml").read_text()
    worse = tmp_path / "worse.yml"
    worse.write_text(workflow.replace("permissions: {}", "permissions: write-all"))
    found: Any = subprocess.run(["zizmor", "--offline", "--pedantic", str(worse)], capture_output=True, text=True)
    assert found.returncode
    assert "excessive-permissions" in found.stdout
