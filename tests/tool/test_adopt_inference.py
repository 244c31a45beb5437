"""Answers are inferred from what a repository's own files say, each with the evidence for it."""

from typing import Any

import pytest

from towpath.adopt.existing import Existing, final_stages, instructions
from towpath.adopt.infer import infer

from .shapes import FLASK, POETRY, READY, SHAPES


def proposed(files: dict[str, str], **about: Any) -> dict[str, tuple[Any, str]]:
    return {p.answer: (p.value, p.because) for p in infer(Existing(files, about.pop("folder", "office"), **about))}


@pytest.mark.parametrize(
    ("shape", "answer", "value", "because"),
    [
        ("flask", "project_name", "office", "folder"),
        ("flask", "description", "Sells tickets for small theatres.", "README.md"),
        ("flask", "app_type", "static", "app/templates/index.html"),
        ("flask", "database", "postgresql", "requirements.txt depends on psycopg2-binary"),
        ("flask", "cache", "redis", "docker-compose.yml runs redis:6-alpine"),
        ("flask", "image_base", "slim", "python:3.11-slim"),
        (
            "flask",
            "system_packages",
            ["libmagic1", "poppler-utils"],
            "build-essential, libpq-dev left out, as builds need them",
        ),
        ("flask", "ci", ["github"], ".github/workflows/ci.yml"),
        ("flask", "deploy", "none", "nothing"),
        ("django", "description", "Appointments of a veterinary clinic, with reminders by mail.", "README.rst"),
        ("django", "app_type", "microservice", "requirements/base.txt depends on celery"),
        ("django", "database", "postgresql", "clinic/settings.py"),
        ("django", "system_packages", [], "not Debian's"),
        ("django", "ci", ["gitlab"], ".gitlab-ci.yml"),
        ("django", "deploy", "compose", ".gitlab-ci.yml runs Compose on a host over SSH"),
        ("poetry", "project_name", "parcel_tracker", "pyproject.toml"),
        ("poetry", "description", "Where is my parcel?", "pyproject.toml"),
        ("poetry", "app_type", "web", "nothing"),
        ("poetry", "database", "postgresql", "pyproject.toml depends on asyncpg"),
        ("poetry", "cache", "redis", "pyproject.toml depends on redis"),
        ("poetry", "image_base", "distroless", "gcr.io/distroless/python3-debian12"),
        ("poetry", "system_packages", [], "no Dockerfile"),
        ("ready", "project_name", "ledger", "pyproject.toml"),
        ("ready", "database", "none", "nothing here uses PostgreSQL"),
        ("ready", "cache", "none", "nothing here uses Redis"),
        ("ready", "ci", [], "neither"),
        ("model", "project_name", "churn-model", "setup.py"),
        ("model", "app_type", "ml", "setup.py depends on scikit-learn"),
        ("model", "accelerator", "cuda", "nvidia/cuda"),
        ("model", "system_packages", ["libgomp1"], "Dockerfile"),
    ],
)
def test_each_answer_comes_with_its_evidence(shape: str, answer: str, value: Any, because: str) -> None:
    found = proposed(SHAPES[shape])
    assert found[answer][0] == value
    assert because in found[answer][1]


def test_what_only_developers_need_is_no_evidence() -> None:
    assert proposed({**FLASK, "docker-compose.yml": ""})["cache"][0] == "none"
    assert "celery" in POETRY["pyproject.toml"]
    assert proposed(POETRY)["app_type"][0] == "web"
    extras = '[project]\nname = "x"\n[project.optional-dependencies]\ntest = ["asyncpg"]\n'
    assert proposed({"pyproject.toml": extras})["database"][0] == "none"
    assert proposed({"pyproject.toml": extras.replace("test =", "postgres =")})["database"][0] == "postgresql"


def test_a_database_that_towpath_does_not_run_is_named() -> None:
    value, because = proposed({"Pipfile": '[packages]\nflask = "*"\npymongo = "*"\n'})["database"]
    assert value == "none"
    assert "Pipfile depends on pymongo" in because


def test_a_remote_tells_the_forge_and_the_name_but_never_its_secrets() -> None:
    found = proposed({"main.py": ""}, remotes=("https://deploy:hunter2@gitlab.example.com/shop/till.git",))
    assert found["project_name"][0] == "till"
    assert found["ci"] == (["gitlab"], "it is https://gitlab.example.com/shop/till.git")
    assert proposed({"main.py": ""}, remotes=("git@github.com:shop/till.git",))["ci"][0] == ["github"]
    assert "hunter2" not in str(found)
    assert proposed({"main.py": ""}, remotes=("/srv/git/repo",))["project_name"][0] == "office"


def test_a_folder_of_a_larger_repository_gets_no_pipelines() -> None:
    found = proposed(READY, subfolder=True, remotes=("git@github.com:acme/platform.git",))
    assert found["ci"][0] == []
    assert proposed({"x.py": ""}, subfolder=True, remotes=("git@h:acme/platform.git",))["project_name"][0] == "office"


@pytest.mark.parametrize(
    "path",
    ["pyproject.toml", "setup.py", "setup.cfg", "Pipfile", "docker-compose.yml", "requirements.txt", "Dockerfile"],
)
@pytest.mark.parametrize(
    "text",
    [
        "]]] = {{{ '",
        "\x00\x01",
        "",
        "services: [1, 2]",
        "a: !custom b",
        "FROM",
        "def (",
        "project = 1\ntool = 1",
        "packages = 1\n[tool]\npoetry = 1\n[project]\ndependencies = 1",
    ],
)
def test_a_broken_file_is_no_evidence_and_no_traceback(path: str, text: str) -> None:
    assert proposed({path: text})["project_name"][0] == "office"


def test_the_dockerfile_of_the_service_is_the_one_that_installs_python_packages() -> None:
    files = {
        "Dockerfile": "FROM nginx\nRUN apt-get install -y tini\n",
        "api/Dockerfile": (
            "FROM python:3.13-slim\nRUN apt-get install -y libmagic1 `# tells what files are` \\\n  libpq5\n"
            "RUN pip install .\n"
        ),
    }
    found = proposed(files)
    assert found["system_packages"] == (["libmagic1", "libpq5"], "api/Dockerfile installs them")
    assert "api/Dockerfile" in found["image_base"][1]


def test_only_what_ends_up_in_the_image_counts() -> None:
    dockerfile = instructions(
        "ARG X=1\nFROM python:3.13 AS build\nRUN apt-get install -y libxml2\n"
        "RUN <<EOF\nFROM nothing\nEOF\n"
        "FROM --platform=$BUILDPLATFORM debian AS base\nRUN apt-get install -y \\\n  # a comment\n  tini\n"
        "from base\nCMD x\n"
    )
    assert [(stage.name, stage.base) for stage in final_stages(dockerfile)] == [("2", "base"), ("base", "debian")]
    found = proposed(
        {"Dockerfile": "FROM a AS b\nRUN apt install -y libxml2\nFROM b\nRUN apt-get -qq install tini=1.*\n"}
    )
    assert found["system_packages"][0] == ["libxml2", "tini"]
