"""Every path has one owner: what is the project's is never touched, what is the template's is always current."""

from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from .combinations import COMBINATIONS, name_of
from .conftest import Generate, copy

Ownership = dict[str, list[str]]


def owners(path: str, ownership: Ownership) -> list[str]:
    """The owners of a path by the table."""
    return [
        owner
        for owner, patterns in ownership.items()
        for pattern in patterns
        if f"/{path}" == pattern or (pattern.endswith("/") and f"/{path}".startswith(pattern))
    ]


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_every_path_has_exactly_one_owner(generate: Generate, ownership: Ownership, answers: dict[str, Any]) -> None:
    wrong = {path: found for path in generate(**answers).rendered if len(found := owners(path, ownership)) != 1}
    assert not wrong


def test_the_table_names_no_path_that_nothing_renders(generate: Generate, ownership: Ownership) -> None:
    paths = [path for answers in (*COMBINATIONS, {"deploy": "kubernetes"}) for path in generate(**answers).rendered]
    for patterns in ownership.values():
        for pattern in patterns:
            assert any(owners(path, {"any": [pattern]}) for path in paths), f"{pattern} is never rendered"


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_managed_files_say_so_and_how_to_extend_them(
    generate: Generate, ownership: Ownership, answers: dict[str, Any]
) -> None:
    project = generate(**answers)
    for path in project.rendered:
        if owners(path, ownership) == ["managed"] and path != ".copier-answers.yml":
            head = project.text(path).splitlines()[:3]
            assert "Managed by Towpath" in head[0], path
            assert f"add {path} to the answer `ejected`" in head[2], f"{path} names another file in its header"
        elif path != ".copier-answers.yml":
            assert "Managed by Towpath" not in project.text(path), path


def test_git_ignores_nothing_that_is_rendered(template: Path, tmp_path: Path) -> None:
    """Copier neither sees nor keeps the edits of a file that git ignores."""
    project = copy(template, tmp_path)
    assert project.git("ls-files", "--others", "--ignored", "--exclude-standard") == ""


@pytest.mark.parametrize("deploy", ["compose", "kubernetes"])
@pytest.mark.parametrize("app_type", ["web", "microservice", "ml", "static"])
def test_every_managed_path_can_be_ejected_and_is_kept_by_a_copy(
    template: Path, tmp_path: Path, ownership: Ownership, app_type: str, deploy: str
) -> None:
    project = copy(template, tmp_path, app_type=app_type, deploy=deploy, ci=["github", "gitlab"])
    files = [path for path in project.rendered if path != ".copier-answers.yml"]
    for path in files:
        (project.path / path).write_text("Ours now.\n")
    managed = [path for path in files if owners(path, ownership) == ["managed"]]
    copier.run_recopy(project.path, data={"ejected": managed}, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert not [path for path in files if project.text(path) != "Ours now.\n"]


def test_a_copy_over_an_existing_project_keeps_what_is_the_projects(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path)
    (project.path / "README.md").write_text("Ours now.\n")
    (project.path / "compose.yaml").write_text("overwritten\n")
    copier.run_recopy(project.path, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert project.text("README.md") == "Ours now.\n"
    assert "overwritten" not in project.text("compose.yaml")


def test_the_answers_file_can_be_read_by_update_tools(generate: Generate) -> None:
    answers = yaml.safe_load(generate().text(".copier-answers.yml"))
    assert answers["_commit"] == "v1.0.0"
    assert answers["_src_path"]
