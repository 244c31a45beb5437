"""Deployment to a host reached over SSH: real releases from a registry, under load, and all the ways in which they fail."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .conftest import copy, skip_unless_ci
from .project import Project, eventually, free_port
from .test_compose import Load

pytestmark = pytest.mark.docker

TOKEN = "a-token-that-nobody-may-see"


@dataclass(frozen=True)
class Site:
    """A host, and the place on it of one project.

    Attributes:
        project: What is deployed, on the machine that deploys.
        folder: The service's folder on the host, with its secrets.
        engine: The address of the host's engine, "" for the usual one.
        registry: Where images are pushed and pulled.
        url: Where the proxy answers.
        variables: What a pipeline tells the command.
    """

    project: Project
    folder: Project
    engine: str
    registry: str
    url: str
    variables: dict[str, str]

    def publish(self, tag: str, *targets: str) -> dict[str, str]:
        """Build and push images of the project as it stands: the variables that name them by digest."""
        repository = f"{self.registry}/{self.project.slug}"
        self.project.run("docker", "buildx", "bake", *targets, IMAGE=repository, TAG=tag, timeout=900)
        named = {}
        for target in targets:
            name = repository + ("-train" if target == "train" else "")
            self.project.run("docker", "push", "--quiet", f"{name}:{tag}")
            shown = self.project.run("docker", "image", "inspect", "--format={{json .RepoDigests}}", f"{name}:{tag}")
            digest = next(each for each in json.loads(shown) if each.startswith(f"{name}@"))
            named["TRAIN_IMAGE" if target == "train" else "IMAGE"] = digest
        return named

    def command(self, *arguments: str) -> list[str]:
        return ["uv", "run", "--quiet", "--no-project", ".towpath/deploy.py", *arguments]

    def try_deploy(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = self.project.try_run(*self.command(*arguments), **self.variables | variables)
        assert TOKEN not in done.stdout
        return done

    def deploy(self, *arguments: str, **variables: str) -> str:
        done = self.try_deploy(*arguments, **variables)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def containers(self, *services: str) -> dict[str, Any]:
        """What the host's engine says of the containers of these services, or of all, by id."""
        label = f"--filter=label=com.docker.compose.project={self.project.slug}-prod"
        ids = self.docker("ps", "--all", "--quiet", label).split()
        found = json.loads(self.docker("inspect", *ids)) if ids else []
        return {
            each["Id"]: each
            for each in found
            if not services or each["Config"]["Labels"]["com.docker.compose.service"] in services
        }

    def docker(self, *arguments: str) -> str:
        return self.project.run("docker", *arguments, **({"DOCKER_HOST": self.engine} if self.engine else {}))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, containerd_host: str) -> Iterator[dict[str, str]]:
    """An SSH server whose user may use another engine than the one that builds: what a pipeline has to know of it."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not server:
        skip_unless_ci("needs an SSH server: install openssh-server")
    folder, port = tmp_path_factory.mktemp("ssh"), free_port()
    machine = Project(folder)
    for key in ("host", "user", "stranger"):
        machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "SetEnv": f"DOCKER_HOST={containerd_host or os.environ.get('DOCKER_HOST', 'unix:///var/run/docker.sock')}",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([server, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL) as running:
        try:
            name = f"[127.0.0.1]:{port}"
            yield {
                "DEPLOY_HOST": f"{getpass.getuser()}@127.0.0.1:{port}",
                "DEPLOY_SSH_KEY": machine.text("user"),
                "DEPLOY_KNOWN_HOSTS": f"{name} {machine.text('host.pub')}",
                "WRONG_HOSTS": f"{name} {machine.text('stranger.pub')}",
                "REGISTRY_USER": "robot",
                "REGISTRY_TOKEN": TOKEN,
            }
        finally:
            running.terminate()


@contextmanager
def site_of(project: Project, folder: Path, host: dict[str, str], engine: str, registry: str, **env: str) -> Iterator[Site]:
    """A place for a project on the host, with its secrets, that is given up at the end with all that runs there."""
    port = free_port()
    folder.mkdir()
    variables = host | {"DEPLOY_PATH": str(folder), "REGISTRY": registry}
    site = Site(project, Project(folder), engine, registry, f"http://127.0.0.1:{port}", variables)
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in {"HTTP_PORT": str(port), **env}.items()))
    site.folder.make_secrets("database_password", "redis_password")
    project.run("uv", "lock", "--quiet")
    try:
        yield site
    finally:
        environment = {"DOCKER_HOST": engine} if engine else {}
        down = ["docker", "compose", "--project-name", f"{project.slug}-prod", "down", "--volumes", "--timeout=1"]
        project.run(*down, **environment)
        for environment in ({}, environment):
            listing = ["docker", "images", "--format={{.ID}}", "--filter", f"reference={registry}/*"]
            images = set(project.run(*listing, **environment).split())
            if images:
                project.try_run("docker", "image", "rm", "--force", *images, **environment)


def edit(project: Project, path: str, old: str, new: str) -> None:
    text = project.text(path)
    assert old in text
    (project.path / path).write_text(text.replace(old, new))


@dataclass(frozen=True)
class Web:
    """A web service on the host, and releases of it, each of which names itself on /livez."""

    site: Site
    one: dict[str, str]
    two: dict[str, str]
    sick: dict[str, str]
    """Answers, but says on /readyz that it cannot."""
    unmigrated: dict[str, str]
    """Its migration fails."""

    @contextmanager
    def load(self) -> Iterator[set[str]]:
        """Callers that must all be answered; which releases answered them."""
        seen: set[str] = set()

        def ask(client: httpx2.Client) -> httpx2.Response:
            seen.add(client.get(f"{self.site.url}/livez").json()["status"])
            return client.post(f"{self.site.url}/items", json={"name": "under load"})

        with Load(ask) as load:
            yield seen
        assert set(load.answers) == {"201"}, load.answers
        assert load.answers.total() > 50


@pytest.fixture(scope="module")
def web(
    template: Path, tmp_path_factory: pytest.TempPathFactory, host: dict[str, str], containerd_host: str, registry: str
) -> Iterator[Web]:
    """A web service of which release one is deployed, the first ever."""
    folder = tmp_path_factory.mktemp("web")
    project = copy(template, folder, "towpath-deploy-web", deploy="compose")
    with site_of(project, folder / "on the host", host, containerd_host, registry) as site:
        health = f"src/{project.package}/health.py"
        original = project.text(health)
        one = site.publish("one", "prod")
        edit(project, health, 'status="alive"', 'status="two"')
        edit(project, health, '"alive", "stuck"', '"two", "stuck"')
        two = site.publish("two", "prod")
        edit(project, health, '"two"', '"sick"')
        edit(project, health, 'elif all(healthy):\n        status = "ready"', 'elif all(healthy):\n        status = "unavailable"')
        sick = site.publish("sick", "prod")
        (project.path / health).write_text(original)
        migration = project.path / "migrations/versions/0002_broken.py"
        migration.write_text(
            'from alembic import op\n\nrevision = "0002"\ndown_revision = "0001"\n\n\n'
            'def upgrade() -> None:\n    op.execute("ALTER TABLE boats ADD COLUMN colour text")\n'
        )
        unmigrated = site.publish("unmigrated", "prod")
        migration.unlink()
        site.deploy(**one)
        yield Web(site, one, two, sick, unmigrated)


def test_a_release_takes_over_from_another_without_a_failed_request(web: Web) -> None:
    old = web.site.containers("app")
    with web.load() as seen:
        time.sleep(1)
        printed = web.site.deploy(**web.two)
        time.sleep(1)
    assert seen == {"alive", "two"}
    assert "migrating" in printed
    new = web.site.containers("app")
    assert len(new) == len(old) == 2
    assert not new.keys() & old.keys()
    assert {each["Config"]["Image"] for each in new.values()} == {web.two["IMAGE"]}
