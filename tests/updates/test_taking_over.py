"""Taking a managed file over, giving it back and doing without it; and what a template that lets one go leaves."""

import re
import sys
from pathlib import Path
from typing import Any

import copier
import pytest

from ..conftest import ROOT, copy, release
from ..project import Project
from ..test_ownership import Ownership, owners

UPDATE = "uvx copier update --defaults "


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> Path:
    """A clone of the template in which further releases can be made."""
    repository = tmp_path / "towpath"
    Project(tmp_path).git("clone", "--quiet", str(template), str(repository))
    return repository


def next_release(repository: Path, tag: str = "v2.0.0") -> None:
    """A release that adds a line to every file."""
    for path in (repository / "template").rglob("*"):
        if path.is_file() and path.stat().st_size and "answers_file" not in path.name:
            path.write_text(path.read_text() + f"# {tag}\n")
    release(repository, tag)


def update(project: Project, **answers: Any) -> list[str]:
    """`copier update --defaults`, without trust; the paths that it left unmerged. Commits if there are none."""
    copier.run_update(project.path, data=answers, defaults=True, overwrite=True, quiet=True, unsafe=False)
    unmerged = {line.split("\t")[1] for line in project.git("ls-files", "--unmerged").splitlines()}
    if not unmerged:
        project.commit("Update")
    return sorted(unmerged)


def edit(project: Project, path: str, text: str = "# ours\n") -> None:
    (project.path / path).write_text(text)
    project.commit(f"Edit {path}")


def test_an_update_carries_what_is_managed_and_leaves_alone_what_is_seeded(
    repository: Path, tmp_path: Path, ownership: Ownership
) -> None:
    project = copy(repository, tmp_path)
    project.git("rm", "--quiet", "-r", "tests", ".editorconfig")
    project.git("mv", f"src/{project.package}/items", f"src/{project.package}/things")
    edit(project, "README.md", "Ours now.\n")
    before = set(project.files)

    (repository / "template/src/{{package}}/new.py").write_text("new = True\n")
    (repository / "template/.towpath/new.toml").write_text("# Managed by Towpath\n")
    next_release(repository)
    assert update(project) == []

    assert set(project.files) == before | {".towpath/new.toml"}
    changed = project.git("diff", "--name-only", "HEAD~1").splitlines()
    assert {owners(path, ownership)[0] for path in changed} == {"managed"}
    assert set(changed) == {path for path in project.files if owners(path, ownership) == ["managed"]}


@pytest.mark.parametrize("place", ["nothing", "a file", "a link"])
def test_a_seeded_folder_that_is_gone_stays_gone_whatever_takes_its_place(
    repository: Path, tmp_path: Path, place: str
) -> None:
    project = copy(repository, tmp_path)
    folder = project.path / ".devcontainer"
    project.git("rm", "--quiet", "-r", ".devcontainer")
    if place == "a file":
        folder.write_text("ours\n")
    if place == "a link":
        folder.symlink_to("containers")
    project.commit("Do without")
    next_release(repository)
    assert update(project) == []
    assert {"nothing": not folder.exists(), "a file": folder.is_file(), "a link": folder.is_symlink()}[place]


@pytest.mark.parametrize("page", ["docs/updates.md", "template/README.md.jinja"])
def test_the_documented_commands_commit_whatever_an_update_brings(repository: Path, tmp_path: Path, page: str) -> None:
    """What is not committed with the update counts as deleted by the next one."""
    project = copy(repository, tmp_path)
    (repository / "template/.towpath/new.toml").write_text("# Managed by Towpath\n")
    next_release(repository)
    block = next(
        found for found in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), flags=re.S) if UPDATE in found
    )
    commands = [line for line in block.splitlines() if "uv run" not in line]
    script = "\n".join(commands).replace("uvx copier", f"{sys.executable} -m copier")
    for part, value in (("name", "A Developer"), ("email", "developer@example.com")):
        project.git("config", f"user.{part}", value)
    project.run("bash", "-e", "-c", script, GIT_PAGER="cat")
    assert project.git("status", "--porcelain") == ""
    assert ".towpath/new.toml" in project.git("show", "--name-only")


def test_an_ejected_file_is_the_projects_for_good(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path)
    edit(project, "Dockerfile")
    next_release(repository)
    assert update(project, ejected=["Dockerfile", ".towpath/nginx.conf", "docker-bake.hcl"]) == []
    assert project.text("Dockerfile") == "# ours\n"

    edit(project, ".towpath/nginx.conf")
    project.git("rm", "--quiet", "docker-bake.hcl")
    project.git("rm", "--quiet", ".towpath/hadolint.yaml")
    project.commit("Delete one that is ours and one that is not")
    for tag in ("v3.0.0", "v4.0.0"):
        next_release(repository, tag)
        assert update(project) == []
    assert project.text("Dockerfile") == "# ours\n"
    assert project.text(".towpath/nginx.conf") == "# ours\n"
    assert not {"docker-bake.hcl", ".towpath/hadolint.yaml"} & set(project.files)
    assert "# v4.0.0" in project.text("compose.yaml")


def test_giving_a_file_back_shows_the_difference_first(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path, ejected=["Dockerfile"])
    edit(project, "Dockerfile", project.text("Dockerfile").replace("EXPOSE", "# ours\nEXPOSE"))
    next_release(repository)
    assert update(project, ejected=[]) == ["Dockerfile"]
    difference = project.git("diff", "--theirs", "Dockerfile")
    assert "+# ours" in difference
    project.git("checkout", "--quiet", "--theirs", "Dockerfile")
    project.commit("Give the Dockerfile back")
    assert project.text("Dockerfile") == copy(repository, tmp_path / "fresh").text("Dockerfile")


def test_a_file_that_was_not_edited_is_given_back_without_a_question(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path, ejected=["Dockerfile"])
    assert update(project, ejected=[]) == []
    next_release(repository)
    assert update(project) == []
    assert "# v2.0.0" in project.text("Dockerfile")


def test_a_deleted_file_that_is_given_back_comes_back(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path, ejected=["Dockerfile"])
    project.git("rm", "--quiet", "Dockerfile")
    project.commit("Delete")
    assert update(project, ejected=[]) == []
    assert project.text("Dockerfile") == copy(repository, tmp_path / "fresh").text("Dockerfile")


def test_a_removed_file_is_deleted_and_stays_away_until_it_is_wanted(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path)
    assert update(project, removed=["docker-bake.hcl"]) == []
    next_release(repository)
    assert update(project) == []
    assert "docker-bake.hcl" not in project.files
    assert update(project, removed=[]) == []
    assert "# v2.0.0" in project.text("docker-bake.hcl")


def test_a_file_of_the_projects_own_is_never_overwritten_by_one_that_comes(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path, removed=["docker-bake.hcl"])
    edit(project, "docker-bake.hcl")
    next_release(repository)
    assert update(project) == []
    assert project.text("docker-bake.hcl") == "# ours\n"
    assert update(project, removed=[]) == ["docker-bake.hcl"]
    assert "# ours" in project.text("docker-bake.hcl")


def test_ejecting_and_removing_an_edited_file_deletes_nothing(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path, ejected=["Dockerfile"])
    edit(project, "Dockerfile")
    assert update(project, removed=["Dockerfile"]) == []
    assert project.text("Dockerfile") == "# ours\n"


def test_a_path_that_is_handed_over_keeps_its_file_and_every_answer(repository: Path, tmp_path: Path) -> None:
    """The procedure of docs/releases.md: bake's file is renamed, and projects keep the old one."""
    edited, plain = copy(repository, tmp_path / "edited"), copy(repository, tmp_path / "plain")
    taken = copy(repository, tmp_path / "taken", ejected=["docker-bake.hcl", "Dockerfile"])
    edit(edited, "docker-bake.hcl")
    edit(taken, "Dockerfile")

    table = repository / "extensions/ownership.yml"
    text = table.read_text().replace("    - /docker-bake.hcl\n", "    - /bake.hcl\n")
    table.write_text(text.replace('&handed_over ""', "&handed_over |\n    /docker-bake.hcl"))
    (repository / "template/docker-bake.hcl.jinja").rename(repository / "template/bake.hcl.jinja")
    release(repository, "v2.0.0")

    for project in (edited, taken, plain):
        kept = {path: project.text(path) for path in ("docker-bake.hcl", "Dockerfile")}
        assert update(project) == []
        assert kept == {path: project.text(path) for path in kept}
        assert "bake.hcl" in project.files
    assert "- docker-bake.hcl" in taken.text(".copier-answers.yml")
    next_release(repository, "v3.0.0")
    for project in (edited, taken, plain):
        assert update(project) == []
        assert "# v3.0.0" not in project.text("docker-bake.hcl")
        assert "# v3.0.0" in project.text("bake.hcl")


def test_git_shows_what_a_careless_edit_of_a_managed_file_meets(repository: Path, tmp_path: Path) -> None:
    project = copy(repository, tmp_path)
    for path in ("Dockerfile", "compose.yaml"):
        edit(project, path, project.text(path) + "# ours\n")
    edit(project, "docker-bake.hcl", "# ours\n" + project.text("docker-bake.hcl"))
    next_release(repository)
    assert update(project) == ["Dockerfile", "compose.yaml"]
    assert "# ours" in project.text("Dockerfile")
    assert project.text("docker-bake.hcl").startswith("# ours\n")
    assert project.text("docker-bake.hcl").endswith("# v2.0.0\n")
