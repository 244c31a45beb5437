"""Fixtures: projects made from the working tree, and the engine that some tests need."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import copier
import pytest
import yaml

from .hosts import Host, ssh_host
from .project import Project, eventually, free_port

ROOT = Path(__file__).parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `docker` need an engine, before any fixture of theirs asks for it, and a worker to themselves."""
    if getattr(item.config.option, "loadgroup", False) and "@" not in item.nodeid:
        pytest.fail("pytest-xdist does not keep its groups with this pytest, as with 9.2.0: use the pinned release")
    if item.get_closest_marker("docker") and (missing := missing_engine()):
        skip_unless_ci(missing)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Of the two workers one takes the tests with containers, which would disturb each other; the rest goes by file."""
    group = "docker" if item.get_closest_marker("docker") else str(item.path)
    if not item.get_closest_marker("xdist_group"):
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs no engine runs first, because it is faster and says more plainly what is wrong."""
    items.sort(key=lambda item: item.get_closest_marker("docker") is not None)


@pytest.fixture(autouse=True, scope="session")
def own_tool_caches(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Generated projects share a pre-commit cache made by this run, so that a hook that cannot install fails here."""
    os.environ["PRE_COMMIT_HOME"] = str(tmp_path_factory.mktemp("pre-commit"))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it stands in the working tree, in a repository of its own with one release."""
    repository = tmp_path_factory.mktemp("template") / "towpath"
    repository.mkdir()
    for name in ("copier.yml", "extensions", "template"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, repository / name)
    release(repository, "v1.0.0")
    return repository


def release(repository: Path, tag: str) -> None:
    """Commit everything in a template's repository and tag it."""
    project = Project(repository)
    if not (repository / ".git").exists():
        project.git("init", "--quiet", "--initial-branch=main")
    project.commit(f"Release {tag}")
    project.git("tag", tag)


Generate = Callable[..., Project]


@pytest.fixture(scope="session")
def generate(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Generate:
    """Make a project by name and answers; asking again for the same gives the same folder, so do not edit it."""
    made: dict[str, Project] = {}

    def make(project_name: str = "my-service", **answers: Any) -> Project:
        key = repr((project_name, sorted(answers.items())))
        if key not in made:
            made[key] = copy(template, tmp_path_factory.mktemp("made"), project_name, **answers)
        return made[key]

    return make


def copy(
    template: Path, folder: Path, project_name: str = "my-service", *, at: str | None = None, **answers: Any
) -> Project:
    """`copier copy --defaults` of a release, the newest if not `at` another, into `folder/<slug>`, without trust."""
    project = Project(folder / project_name.lower().replace(" ", "-"))
    copier.run_copy(
        str(template),
        project.path,
        data={"project_name": project_name, **answers},
        vcs_ref=at,
        defaults=True,
        quiet=True,
        unsafe=False,
    )
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("Start")
    return project


@pytest.fixture(scope="session")
def ownership() -> dict[str, list[str]]:
    """The table of who owns which path."""
    table = yaml.safe_load((ROOT / "extensions/ownership.yml").read_text())
    return {owner: table[owner]["default"] for owner in ("seeded", "managed")}


@cache
def missing_engine(host: str | None = None) -> str | None:
    """Why there is no Docker engine to use, or None if there is one."""
    environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    try:
        found = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60, env=environment)
    except FileNotFoundError:
        return "needs Docker: the docker command is not installed"
    return None if found.returncode == 0 else f"needs Docker: no engine answers ({found.stderr.strip()[:200]})"


def skip_unless_ci(reason: str) -> NoReturn:
    """Skip where something may be missing; in CI, where everything must be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def containerd_host(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An engine that keeps images in containerd, as new installations do: its address, or "" for the usual one."""
    if "io.containerd.snapshotter" in Project(tmp_path_factory.mktemp("engine")).run("docker", "info"):
        return ""
    host = os.environ.get("CONTAINERD_DOCKER_HOST", "")
    if not host or missing_engine(host):
        skip_unless_ci("needs an engine with the containerd image store, such as one at CONTAINERD_DOCKER_HOST")
    return host


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an image registry, open to everyone on this machine; it stands for the one that a company has."""
    configuration = tmp_path_factory.mktemp("registry") / "config.yml"
    configuration.write_text(
        "version: 0.1\nhttp: {addr: ':5000'}\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\n"
    )
    configuration.parent.chmod(0o755)
    port = free_port()
    options = [f"--publish=127.0.0.1:{port}:5000", f"--volume={configuration}:/etc/docker/registry/config.yml:ro"]
    machine = Project(configuration.parent)
    container = machine.run("docker", "run", "--detach", *options, "registry:2").strip()
    try:
        eventually(f"http://127.0.0.1:{port}/v2/")
        yield f"localhost:{port}"
    finally:
        machine.run("docker", "rm", "--force", "--volumes", container)


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory, containerd_host: str) -> Iterator[Host]:
    """A machine that can be deployed to over SSH."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not server:
        skip_unless_ci("needs an SSH server: install openssh-server")
    with ssh_host(tmp_path_factory.mktemp("ssh"), server, containerd_host) as host:
        yield host
