"""The questions: few, each with help to decide by, and no answer that gives a broken project."""

import json
import keyword
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_copie.plugin import Copie

from .conftest import ROOT, Generate, copy
from .project import Project


@pytest.fixture(scope="module")
def questions() -> dict[str, Any]:
    """Every question that a person can be asked."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!include", lambda *_: {})
    documents = [document or {} for document in yaml.load_all((ROOT / "copier.yml").read_text(), Loader)]
    every = {name: question for document in documents for name, question in document.items() if name[0] != "_"}
    return {name: question for name, question in every.items() if question.get("when") is not False}


def test_at_most_twelve_are_asked_and_each_helps_to_decide(questions: dict[str, Any]) -> None:
    assert len(questions) <= 12
    for name, question in questions.items():
        assert len(question["help"]) > 40, f"{name} does not say how to decide"


def test_none_has_to_be_answered(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path, "harbour-desk")
    assert project.text(".copier-answers.yml").count("project_name: harbour-desk") == 1


def test_the_folder_gives_the_project_its_name(copie: Copie) -> None:
    result = copie.copy()
    assert result.exception is None
    assert result.project_dir is not None
    assert result.answers["project_name"] == result.project_dir.name


def test_versions_and_names_are_never_stored(generate: Generate, questions: dict[str, Any]) -> None:
    stored = yaml.safe_load(generate().text(".copier-answers.yml"))
    assert {name for name in stored if not name.startswith("_")} <= set(questions) | {"settled"}


@pytest.mark.parametrize("project_name", ["Order Desk", "order_desk", "ORDER.DESK", "Order - Desk", "order--desk"])
def test_one_name_gives_command_package_and_folder(copie: Copie, project_name: str) -> None:
    result = copie.copy(extra_answers={"project_name": project_name})
    assert result.exception is None
    assert result.project_dir is not None
    assert (result.project_dir / "src/order_desk").is_dir()
    scripts = tomllib.loads((result.project_dir / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"order-desk": "order_desk.cli:main"}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"project_name": ""}, "Use 2 to 50"),
        ({"project_name": "!!!"}, "Use 2 to 50"),
        ({"project_name": "x"}, "Use 2 to 50"),
        ({"project_name": "a" * 51}, "Use 2 to 50"),
        ({"project_name": "7 seas"}, "begin with a letter"),
        ({"project_name": "café"}, "ASCII"),
        ({"project_name": "{{ slug }}"}, "ASCII"),
        ({"project_name": "two\nlines"}, "Use 2 to 50"),
        ({"project_name": "class"}, "Python's own"),
        ({"project_name": "Json"}, "Python's own"),
        ({"project_name": "annotationlib"}, "Python's own"),
        ({"project_name": "FastAPI"}, "the project uses"),
        ({"project_name": "tests"}, "the project uses"),
        ({"project_name": "dist"}, "the project uses"),
        ({"project_name": "colorama"}, "the project uses"),
        ({"project_name": "pydantic-settings"}, "the project uses"),
        ({"description": ""}, "one line"),
        ({"description": "two\nlines"}, "one line"),
        ({"description": "a\x00b"}, "one line"),
        ({"description": "a" * 201}, "one line"),
        ({"app_type": "desktop"}, "choice"),
        ({"database": "mysql"}, "choice"),
        ({"system_packages": "libmagic1"}, "list of Debian packages"),
        ({"system_packages": ["libmagic1; rm -rf /"]}, "not the name of a Debian package"),
        ({"system_packages": [1]}, "not the name of a Debian package"),
        ({"system_packages": ["tini"], "image_base": "distroless"}, "holds no Debian packages"),
        ({"ejected": "Dockerfile"}, "list of paths"),
        ({"ejected": ["src/"]}, "not a managed path"),
        ({"ejected": [".towpath/../src"]}, "not a managed path"),
        ({"ejected": [".towpath/*.py"]}, "not a managed path"),
        ({"ejected": [".copier-answers.yml"]}, "not a managed path"),
        ({"removed": ["README.md"]}, "not a managed path"),
    ],
)
def test_an_answer_that_cannot_work_is_refused_with_what_is_allowed(
    copie: Copie, answers: dict[str, Any], reason: str
) -> None:
    result = copie.copy(extra_answers=answers)
    assert result.exception is not None
    assert reason in str(result.exception)


HOSTILE = [
    """It's a "quoted" one""",
    r"back\slash \n \u0041 C:\new",
    "{{ slug }} {% raw %} {# not a comment #}",
    "# not a comment",
    "$HOME ${HOME} $$ `id` $(id)",
    "emoji 🛶 and ünïcödé",
    "[link](http://example.com) <b>bold</b> & | > -",
    "yes",
    "a: b, c: d",
]


@pytest.mark.parametrize("description", HOSTILE)
def test_a_description_arrives_as_it_was_written(template: Path, tmp_path: Path, description: str) -> None:
    project = copy(template, tmp_path, description=description)
    assert tomllib.loads(project.text("pyproject.toml"))["project"]["description"] == description
    assert yaml.safe_load(project.text(".copier-answers.yml"))["description"] == description
    assert description in project.text("README.md")


@pytest.mark.docker
def test_the_most_hostile_description_reaches_api_and_image_unchanged(template: Path, tmp_path: Path) -> None:
    description = "".join(HOSTILE)[:200]
    project = copy(template, tmp_path, "towpath-test-hostile", description=description)
    project.run("uv", "lock")
    project.bake("prod")
    assert project.image()["Config"]["Labels"]["org.opencontainers.image.description"] == description
    summary = f"from {project.package}.app import create_app; import json; print(json.dumps(create_app().summary))"
    answer = project.run("docker", "run", "--rm", "--entrypoint=python", f"{project.slug}:latest", "-c", summary)
    assert json.loads(answer) == description


def test_names_of_python_are_known(template: Path) -> None:
    listed = (template / "extensions/names.jinja").read_text().split("taken_names")[0].replace("'", " ").split()
    own = {name.lower() for name in [*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist]}
    assert {name for name in own if not name.startswith("_")} <= set(listed)


def test_names_of_what_a_project_installs_are_known(template: Path, generate: Generate) -> None:
    listed = (template / "extensions/names.jinja").read_text().replace("'", " ").split()
    project: Project = generate()
    project.run("uv", "sync", "--quiet")
    script = """
import importlib.metadata as m
names = {d.metadata["Name"].lower().replace("-", "_").replace(".", "_") for d in m.distributions()}
names |= {name.lower() for name in m.packages_distributions()}
print(*sorted(names))
"""
    installed = set(project.run("uv", "run", "--quiet", "python", "-c", script).split()) - {project.package}
    nobody_would_choose = ("_", "opentelemetry_", "opentelemetry-")
    assert {n for n in installed if n.isidentifier() and not n.startswith(nobody_would_choose)} <= set(listed)


@pytest.mark.parametrize("answers", [{"app_type": "microservice"}, {"app_type": "ml", "accelerator": "cuda"}, {}])
def test_names_of_what_a_lock_names_are_known_whatever_it_is_installed_on(
    template: Path, generate: Generate, answers: dict[str, Any]
) -> None:
    listed = (template / "extensions/names.jinja").read_text().replace("'", " ").split()
    project: Project = generate("locked names", **answers)
    project.run("uv", "lock", "--quiet")
    named = {package["name"].replace("-", "_") for package in tomllib.loads(project.text("uv.lock"))["package"]}
    nobody_would_choose = ("opentelemetry_", "nvidia_")
    assert {name for name in named if not name.startswith(nobody_would_choose)} - {"locked_names"} <= set(listed)


def test_names_that_git_ignores_are_known(template: Path, generate: Generate) -> None:
    listed = (template / "extensions/names.jinja").read_text().replace("'", " ").split()
    ignored = [
        line.rstrip("/") for line in generate().text(".gitignore").splitlines() if line.rstrip("/").isidentifier()
    ]
    assert ignored
    assert {name for name in ignored if not name.startswith("_")} <= set(listed)
