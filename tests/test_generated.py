"""A generated project passes its own checks and tests, and runs, for every combination of answers."""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from .combinations import COMBINATIONS, name_of, with_pythons
from .conftest import Generate, copy
from .project import GIT, Project, eventually, free_port

# What uv needs of the environment; the rest could change what the service does.
KEPT = ["HOME", "PATH", "PYENV_VERSION", "UV_PYTHON_DOWNLOADS", "UV_CACHE_DIR", "SSL_CERT_FILE"]


@pytest.fixture(scope="module")
def checked(generate: Generate) -> Any:
    """A project with its lock committed, as it is after the README's first commands."""

    def make(**answers: Any) -> Project:
        project = generate(**answers)
        if not (project.path / "uv.lock").exists():
            project.run("uv", "sync", "--quiet")
            project.lock_frontend()
            project.commit("Lock")
        return project

    return make


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_its_own_checks_find_nothing(checked: Any, answers: dict[str, Any]) -> None:
    project = checked(**answers)
    printed = project.run("uv", "run", "pre-commit", "run", "--all-files")
    assert "mypy" in printed
    assert "Failed" not in printed
    assert project.git("status", "--porcelain") == "", "a check changed a file"
    # Mypy's own configuration names what is the project's; the scripts that it was given are typed as strictly.
    scripts = [path for path in project.rendered if path.startswith(".towpath/") and path.endswith(".py")]
    project.run("uv", "run", "mypy", *scripts)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_its_own_linter_finds_nothing_when_its_name_is_as_long_as_it_may_be(
    generate: Generate, answers: dict[str, Any]
) -> None:
    project = generate("Of fifty letters and hyphens no name can have more", **answers)
    assert len(project.slug) == 50
    project.run("ruff", "check", ".")
    project.run("ruff", "format", "--check", ".")


@pytest.mark.parametrize(("answers", "python"), with_pythons(COMBINATIONS), ids=name_of)
def test_its_own_tests_pass(checked: Any, answers: dict[str, Any], python: str, tmp_path: Path) -> None:
    command = ["uv", "run", "--python", python, "pytest", "--quiet"]
    printed = checked(**answers).run(*command, UV_PROJECT_ENVIRONMENT=str(tmp_path / "environment"))
    assert "passed" in printed


def test_its_own_tests_reach_the_coverage_that_it_asks_for(checked: Any) -> None:
    printed = checked(**COMBINATIONS[0]).run("uv", "run", "pytest", "--quiet", "--cov")
    assert "Required test coverage" in printed


def test_a_commit_runs_the_checks(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path)
    project.run("uv", "sync", "--quiet")
    project.run("uv", "run", "pre-commit", "install")
    project.commit()
    (project.path / f"src/{project.package}/bad.py").write_text("import os\n")
    project.git("add", "--all")
    refused = project.try_run(*GIT, "commit", "--message", "Bad")
    assert refused.returncode != 0
    assert "ruff check" in refused.stdout
    assert "F401" in refused.stdout or "fixed" in refused.stdout


HEAD = """from alembic import op

revision = "{name}"
down_revision = "0001"


def upgrade() -> None:
    op.execute("SELECT 1")
"""


def test_migrations_can_be_printed_and_two_heads_are_told_in_one_line(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path)
    nobody_listens = f"postgresql://app:pw@127.0.0.1:{free_port()}/app"
    alembic = ["uv", "run", "--quiet", "alembic"]
    printed = project.run(*alembic, "upgrade", "head", "--sql", DATABASE_URL=nobody_listens)
    assert "CREATE TABLE items" in printed
    assert "TIMESTAMP WITH TIME ZONE" in printed
    for name in ("left", "right"):
        (project.path / f"migrations/versions/{name}.py").write_text(HEAD.format(name=name))
    told = project.try_run("uv", "run", "--quiet", project.slug, "migrate")
    assert told.returncode == 1
    assert "Traceback" not in told.stdout
    line = told.stdout.splitlines()[-1]
    assert line.startswith("Multiple head")
    assert line.endswith("Join them: uv run alembic merge heads")


# Files as their own tools take them: Compose's tags and anchors, GitLab's tags, several documents of Kubernetes.
YAML = {
    "compose.site.yaml": 'x-a: &a {init: true}\nservices:\n  app:\n    <<: *a\n    ports: !override ["8080:8000"]\n',
    ".gitlab/jobs.yml": "variables: {A: !reference [.other, variables, A]}\n",
    "deploy/two.yaml": "kind: Service\n---\nkind: ConfigMap\n",
}


def test_its_hooks_leave_to_other_tools_what_only_they_can_judge(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path)
    for name, text in YAML.items():
        (project.path / name).parent.mkdir(exist_ok=True)
        (project.path / name).write_text(text)
    project.git("add", "--all")
    hooks = ["uvx", "--quiet", "pre-commit", "run", "--config", ".towpath/pre-commit.yaml"]
    for hook in ("check-yaml", "check-compose"):
        printed = project.try_run(*hooks, hook, "--files", *YAML, "compose.yaml")
        assert printed.returncode == 0, printed.stdout
    (project.path / "deploy/two.yaml").write_text("a: [\n")
    assert project.try_run(*hooks, "check-yaml", "--files", "deploy/two.yaml").returncode == 1


def test_a_lock_that_does_not_fit_is_refused(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path)
    project.run("uv", "lock", "--quiet")
    pyproject = project.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("dependencies = [\n", 'dependencies = [\n  "idna",\n'))
    project.commit()
    checks = project.try_run("uv", "run", "--frozen", "pre-commit", "run", "--all-files")
    assert checks.returncode != 0
    assert "uv lock" in checks.stdout


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_one_command_runs_it_without_any_server(checked: Any, answers: dict[str, Any], tmp_path: Path) -> None:
    project = checked(**answers)
    port = free_port()
    command = ["uv", "run", "--project", str(project.path), project.slug]
    environment = {"PORT": str(port), **{name: os.environ[name] for name in KEPT if name in os.environ}}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        try:
            assert eventually(f"http://127.0.0.1:{port}/readyz").json()["status"] == "ready"
        finally:
            process.terminate()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_every_dependency_is_used(generate: Generate, answers: dict[str, Any]) -> None:
    project = generate(**answers)
    declared = tomllib.loads(project.text("pyproject.toml"))["project"]["dependencies"]
    source = "\n".join(project.text(path) for path in project.files if path.endswith(".py"))
    found_by_name_only = {"httptools", "uvloop", "aiosqlite", "asyncpg", "python-multipart"}
    for requirement in declared:
        name = requirement.split(">")[0].split("[")[0]
        module = name.replace("-", "_").replace("opentelemetry_exporter_otlp_proto_http", "opentelemetry.exporter")
        instrumentation = name.startswith("opentelemetry-instrumentation")
        assert module in source or name in found_by_name_only or instrumentation, f"nothing imports {name}"
