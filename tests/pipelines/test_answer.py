"""The question `ci`: new projects get pipelines, and a project that updates gets none it did not ask for."""

from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from ..conftest import Generate, copy, release
from ..project import Project

PIPELINES = {".github/workflows/release.yml", ".github/workflows/update.yml", ".github/workflows/verify.yml"}


def answer(project: Project) -> object:
    return yaml.safe_load(project.text(".copier-answers.yml"))["ci"]


def test_a_new_project_is_checked_on_github_unless_told_otherwise(generate: Generate) -> None:
    project = generate("towpath-ci-default")
    assert answer(project) == ["github"]
    assert set(project.rendered) >= PIPELINES
    assert ".gitlab-ci.yml" not in project.rendered


def test_answers_given_with_a_copy_do_not_make_it_an_old_project(generate: Generate) -> None:
    assert answer(generate("towpath-ci-given", ejected=["Dockerfile"], removed=["docker-bake.hcl"])) == ["github"]


@pytest.mark.parametrize(("ci", "scripts"), [(["gitlab"], True), ([], False)])
def test_a_forge_that_is_not_named_gets_nothing(generate: Generate, ci: list[str], scripts: bool) -> None:
    rendered = set(generate("towpath-ci-named", ci=ci).rendered)
    assert not rendered & PIPELINES
    assert (".gitlab-ci.yml" in rendered) == scripts
    assert ({".towpath/smoke.py", ".towpath/release.py"} <= rendered) == scripts


@pytest.mark.parametrize(
    "data", [{}, {"ejected": ["Dockerfile"], "removed": ["docker-bake.hcl"]}], ids=["defaults", "answers"]
)
def test_a_project_from_before_the_question_gets_no_pipeline_by_an_update(
    template: Path, tmp_path: Path, data: dict[str, Any]
) -> None:
    repository = tmp_path / "towpath"
    Project(tmp_path).git("clone", "--quiet", str(template), str(repository))
    questions = repository / "copier.yml"
    now = questions.read_text()
    start = now.index("ci:\n  type: str")
    without = now[:start] + now[now.index("\ndeploy:", start) + 1 :]
    # As an earlier release was: the question is not asked, and nothing of it is rendered.
    questions.write_text(f"{without}\n---\nci:\n  type: yaml\n  when: false\n  default: []\n")
    release(repository, "v1.1.0")
    project = copy(repository, tmp_path, "towpath-ci-older")
    before = set(project.files) - set(data.get("removed", []))
    questions.write_text(now)
    release(repository, "v1.2.0")

    copier.run_update(project.path, data=data, defaults=True, overwrite=True, quiet=True, unsafe=False)
    project.commit("Update")
    assert set(project.files) == before
    assert answer(project) == []
    copier.run_update(project.path, data={"ci": ["github"]}, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert set(project.files) - before >= PIPELINES


def test_an_update_keeps_the_pipelines_that_were_chosen(template: Path, tmp_path: Path) -> None:
    repository = tmp_path / "towpath"
    Project(tmp_path).git("clone", "--quiet", str(template), str(repository))
    project = copy(repository, tmp_path, "towpath-ci-kept", ci=["github", "gitlab"])
    release(repository, "v1.1.0")
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True, unsafe=False)
    assert answer(project) == ["github", "gitlab"]
    assert set(project.files) >= {*PIPELINES, ".gitlab-ci.yml"}
