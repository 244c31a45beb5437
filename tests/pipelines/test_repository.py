"""This repository's own releases."""

import shutil
from pathlib import Path

import pytest

from ..conftest import ROOT
from ..project import Project


@pytest.fixture
def repository(tmp_path: Path) -> Project:
    """A clone whose main names version 1.2.3."""
    origin = Project(tmp_path / "origin")
    (origin.path / ".ci").mkdir(parents=True)
    shutil.copy2(ROOT / ".ci/check-tag", origin.path / ".ci")
    (origin.path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (origin.path / "CHANGELOG.md").write_text("# Changelog\n\n## 1.2.3\n")
    origin.git("init", "--quiet", "--initial-branch=main")
    origin.commit()
    origin.git("clone", "--quiet", ".", "../clone")
    return Project(tmp_path / "clone")


def test_a_tag_of_the_version_on_main_is_a_release(repository: Project) -> None:
    repository.run(".ci/check-tag", "v1.2.3")


def test_a_tag_that_names_another_version_is_refused(repository: Project) -> None:
    assert "pyproject.toml says 1.2.3" in repository.try_run(".ci/check-tag", "v1.2.4").stdout


def test_a_version_without_an_entry_in_the_changelog_is_refused(repository: Project) -> None:
    (repository.path / "CHANGELOG.md").write_text("# Changelog\n")
    assert "no entry" in repository.try_run(".ci/check-tag", "v1.2.3").stdout


def test_a_commit_that_is_not_on_main_is_refused(repository: Project) -> None:
    repository.commit("Something that nobody reviewed")
    refused = repository.try_run(".ci/check-tag", "v1.2.3")
    assert refused.returncode
    assert "is not on main" in refused.stdout
