"""A machine reached over SSH, and the place that a project has on it."""

import getpass
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .project import Project, free_port

TOKEN = "a-token-that-nobody-may-see"


@dataclass(frozen=True)
class Host:
    """A machine that runs a Docker engine.

    Attributes:
        engine: The engine's address, "" for the usual one.
        variables: What a pipeline has to know to reach it.
    """

    engine: str
    variables: dict[str, str]

    def docker(self, *arguments: str) -> str:
        where = ["--host", self.engine] if self.engine else []
        return subprocess.run(["docker", *where, *arguments], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Site:
    """The place of one project on a host.

    Attributes:
        project: What is deployed, on the machine that deploys.
        folder: The service's folder on the host, with its secrets.
        host: The host.
        registry: Where images are pushed and pulled.
        url: Where the proxy answers.
        variables: What a pipeline tells the command.
        published: The images that it got.
    """

    project: Project
    folder: Project
    host: Host
    registry: str
    url: str
    variables: dict[str, str]
    published: list[str] = field(default_factory=list)

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
            self.published.extend([f"{name}:{tag}", digest])
            named["TRAIN_IMAGE" if target == "train" else "IMAGE"] = digest
        return named

    def command(self, *arguments: str) -> list[str]:
        return ["uv", "run", "--quiet", "--no-project", ".towpath/deploy.py", *arguments]

    @property
    def secrets(self) -> list[str]:
        """What may never be printed or written elsewhere."""
        return [TOKEN, *(path.read_text() for path in (self.folder.path / "secrets").iterdir())]

    def begin_deploy(self, **variables: str) -> subprocess.Popen[str]:
        """Begin a deployment in a process group of its own, as a terminal does."""
        environment = {**os.environ, **self.variables, **variables}
        return subprocess.Popen(
            self.command(),
            cwd=self.project.path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def try_deploy(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = [f"{name}={value}" for name, value in (self.variables | variables).items()]
        done = self.project.try_run("env", *settings, *self.command(*arguments))
        assert not any(secret in done.stdout for secret in self.secrets)
        return done

    def deploy(self, *arguments: str, **variables: str) -> str:
        done = self.try_deploy(*arguments, **variables)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def containers(self, *services: str) -> dict[str, Any]:
        """What the host's engine says of the containers of these services, or of all, by id."""
        label = f"--filter=label=com.docker.compose.project={self.project.slug}-prod"
        ids = self.host.docker("ps", "--all", "--quiet", label).split()
        found = json.loads(self.host.docker("inspect", *ids)) if ids else []
        return {
            each["Id"]: each
            for each in found
            if not services or each["Config"]["Labels"]["com.docker.compose.service"] in services
        }


@contextmanager
def ssh_host(folder: Path, server: str, engine: str) -> Iterator[Host]:
    """An SSH server whose user may use another engine than the one that builds, and what a pipeline must know of it."""
    machine, port = Project(folder), free_port()
    for key in ("host", "user"):
        machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    settings = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "PidFile": "none",
        "StrictModes": "no",
        "PasswordAuthentication": "no",
        "SetEnv": f"DOCKER_HOST={engine or os.environ.get('DOCKER_HOST', 'unix:///var/run/docker.sock')}",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([server, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL) as running:
        try:
            name = f"[127.0.0.1]:{port}"
            variables = {
                "DEPLOY_HOST": f"{getpass.getuser()}@127.0.0.1:{port}",
                "DEPLOY_SSH_KEY": machine.text("user"),
                "DEPLOY_KNOWN_HOSTS": f"{name} {machine.text('host.pub')}",
                "REGISTRY_USER": "robot",
                "REGISTRY_TOKEN": TOKEN,
            }
            yield Host(engine, variables)
        finally:
            running.terminate()


@contextmanager
def site_of(project: Project, host: Host, registry: str, **settings: str) -> Iterator[Site]:
    """A place for a project on the host, with its secrets, that is given up at the end with all that runs there."""
    folder = Project(project.path.with_name("on the host"))
    folder.path.mkdir()
    folder.make_secrets("database_password", "redis_password")
    settings["HTTP_PORT"] = str(free_port())
    (folder.path / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    variables = host.variables | {"DEPLOY_PATH": str(folder.path), "REGISTRY": registry}
    site = Site(project, folder, host, registry, f"http://127.0.0.1:{settings['HTTP_PORT']}", variables)
    project.run("uv", "lock", "--quiet")
    down = ["compose", "--project-name", f"{project.slug}-prod", "down", "--volumes", "--timeout=1"]
    host.docker(*down)  # what a run that was killed has left, whose database has another password
    try:
        yield site
    finally:
        host.docker(*down)
        for machine in (host, Host("", {})):
            where = ["--host", machine.engine] if machine.engine else []
            project.try_run("docker", *where, "image", "rm", "--force", *site.published)
