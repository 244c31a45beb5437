"""Fixtures: a project with both forges, and the tools that read or run pipelines."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ..conftest import ROOT, Generate, release, skip_unless_ci
from ..project import Project
from ..tool.conftest import description, github, gitlab  # noqa: F401  (fixtures)
from ..tool.forges.server import FakeForge, Hosted

GITLAB_CI_LOCAL = "gitlab-ci-local@4.75.1"
RENOVATE = "renovate@44.121.2"


@pytest.fixture(scope="session")
def project(generate: Generate) -> Project:
    """A service with pipelines on both forges and a deployment, and its lock committed."""
    project = generate("towpath-ci-web", ci=["github", "gitlab"], deploy="compose")
    lock(project)
    return project


def lock(project: Project) -> None:
    """Commit what the README has a person commit first."""
    if not (project.path / "uv.lock").exists():
        project.run("uv", "lock", "--quiet")
        project.lock_frontend()
        project.commit("Lock")


def clone(forge: FakeForge, hosted: Hosted, folder: Path) -> Project:
    """What a checkout leaves: the work tree, and the forge as `origin`, without a credential."""
    Project(hosted.path).git("clone", "--quiet", "--no-local", str(hosted.path), str(folder))
    cloned = Project(folder)
    cloned.git("remote", "set-url", "origin", forge.clone_url(hosted))
    return cloned


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tool as it stands in the working tree, in a repository of its own with the release that pipelines name."""
    (version,) = re.findall(r"set version = '(.*)'", (ROOT / "extensions/pins.jinja").read_text())
    repository = tmp_path_factory.mktemp("tool")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy2(ROOT / name, repository)
    shutil.copytree(ROOT / "towpath", repository / "towpath", ignore=shutil.ignore_patterns("__pycache__"))
    release(repository, f"v{version}")
    return repository


@pytest.fixture(scope="session")
def git_settings(tool: Path) -> str:
    """Settings of git in a runner's home, which lead from the tool's public address to this working tree."""
    (home,) = re.findall(r"set home = '(.*)'", (ROOT / "extensions/pins.jinja").read_text())
    return f'[url "{tool.as_uri()}"]\ninsteadOf = {home}\n'


def npm_install(folder: Path, package: str) -> Path:
    """Install a Node program that only these tests need, and return the folder of its commands."""
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional", package]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    if done.returncode:
        skip_unless_ci(f"needs the npm package {package}: {done.stderr[-500:]}")
    return folder / "node_modules/.bin"


@pytest.fixture(scope="session")
def gitlab_ci_local(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs GitLab pipelines on this machine."""
    commands = npm_install(tmp_path_factory.mktemp("gitlab-ci-local"), GITLAB_CI_LOCAL)
    return ["node", str(commands / "gitlab-ci-local")]
