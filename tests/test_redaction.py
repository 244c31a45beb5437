"""No secret is in the logs of any type of service, whatever fails while it is in hand."""

import os
import re
import secrets
import signal
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .conftest import Generate
from .project import Project, eventually, free_port

SERVICE = Path(__file__).with_name("failing_service.py")
# The settings of each type that are secrets.
SETTINGS: dict[str, list[str]] = {
    "web": ["DATABASE_PASSWORD", "REDIS_PASSWORD"],
    "microservice": ["DATABASE_PASSWORD", "REDIS_PASSWORD"],
    "ml": [],
    "static": ["DATABASE_PASSWORD", "REDIS_PASSWORD"],
}


def failures(name: str) -> list[str]:
    """The ways to fail that the service lists under a name."""
    (listed,) = re.findall(rf"^{name}: [^\n]*= \[\n(.*?)\]", SERVICE.read_text(), re.DOTALL | re.MULTILINE)
    return [line.strip(" ,") for line in listed.splitlines()]


OF_THE_ANSWER = ["in_its_answer", "on_a_thread_of_the_pool", "after_the_answer", "in_the_middle_of_the_answer"]

# How a request brings its secret, and whether that can be any text.
PLACES: dict[str, tuple[bool, Callable[[str], dict[str, Any]]]] = {
    "bearer": (False, lambda secret: {"headers": {"Authorization": f"Bearer {secret}"}}),
    "basic": (
        True,
        lambda secret: {"headers": {"Proxy-Authorization": "Basic " + b64encode(f"bob:{secret}".encode()).decode()}},
    ),
    "api key": (False, lambda secret: {"headers": {"X-Api-Key": secret}}),
    "cookie": (False, lambda secret: {"headers": {"Cookie": f"theme=dark; sid={secret}"}}),
    "query": (True, lambda secret: {"params": {"access_token": secret}}),
}


@dataclass
class Running:
    """A service that was started, the secrets that it was given, and what it printed."""

    client: httpx2.Client
    printed: Path
    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, where: str, *, any_text: bool = True) -> str:
        # What is written in another way in a URL, in JSON and in Python.
        special = "\"'+/%é\\" if any_text else "-"
        self.planted[where] = f"{secrets.token_hex(8)}{special}{secrets.token_hex(4)}"
        return self.planted[where]

    def ask(self, how: str, **request: Any) -> None:
        number = f"case-{len(self.planted)}-{how}"
        headers = {"X-Request-ID": number, **request.pop("headers", {})}
        try:
            self.client.post(f"/fail/{how}", headers=headers, **request)
        except httpx2.RemoteProtocolError:
            assert how == "in_the_middle_of_the_answer"

    def leaked(self) -> list[str]:
        """Where the secrets were planted of which a part was printed."""
        text = self.printed.read_text()
        return [where for where, secret in self.planted.items() if secret[:16] in text or secret[-8:] in text]


@contextmanager
def running(project: Project, folder: Path, **environment: str) -> Iterator[Running]:
    """The failing service on its embedded defaults, with everything that it prints in a file."""
    port = free_port()
    # Some failures end the connection, which is then no use for the next request.
    client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Connection": "close"}, timeout=30)
    service = Running(client, folder / "printed")
    given = {name: service.plant(f"setting {name}") for name in ("DATABASE_PASSWORD", "REDIS_PASSWORD")}
    variables = {**os.environ, **given, **environment, "PORT": str(port)}
    command = [str(project.path / ".venv/bin/python"), str(SERVICE), project.package]
    with client, service.printed.open("wb") as printed:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdout=printed, stderr=printed)
        try:
            eventually(f"{client.base_url}/livez")
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


@pytest.fixture(scope="module")
def synced(generate: Generate) -> Callable[[str], Project]:
    """A project of a type, with its environment."""

    def make(app_type: str) -> Project:
        project = generate(app_type=app_type)
        if not (project.path / ".venv").exists():
            project.run("uv", "sync", "--quiet")
        return project

    return make


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("app_type", SETTINGS)
def test_no_secret_is_logged_whatever_fails(
    synced: Callable[[str], Project], app_type: str, log_format: str, tmp_path: Path
) -> None:
    by_name, by_value = failures("BY_NAME"), failures("BY_VALUE")
    with running(synced(app_type), tmp_path, LOG_FORMAT=log_format) as service:
        for how in by_name:
            service.ask(how, content=service.plant(f"body {how}").encode())
        for how, (place, (any_text, brought)) in product([*by_name, *by_value, *OF_THE_ANSWER], PLACES.items()):
            service.ask(how, **brought(service.plant(f"{place} {how}", any_text=any_text)))
        for how, name in product([*by_name, *by_value], SETTINGS[app_type]):
            service.ask(how, params={"setting": name.lower()})
    assert len(service.planted) > 50
    assert service.leaked() == []
    printed = service.printed.read_text()
    assert printed.count("request failed") > 50, "each failure is logged"
    assert "no answer from db" in printed, "what is no secret is there"
    assert "db.internal:5432" in printed


LOST = {"DATABASE_URL": "postgresql://app:{}@127.0.0.1:1/app", "REDIS_URL": "redis://app:{}@127.0.0.1:1/0"}


@pytest.mark.parametrize("app_type", ["web", "microservice"])
def test_a_lost_server_is_logged_without_the_password_for_it(
    synced: Callable[[str], Project], app_type: str, tmp_path: Path
) -> None:
    passwords = {name: f"{secrets.token_hex(8)}%2F{secrets.token_hex(8)}" for name in LOST}
    urls = {name: url.format(passwords[name]) for name, url in LOST.items()}
    # A password of its own would take the place of the URL's.
    with running(synced(app_type), tmp_path, DATABASE_PASSWORD="", REDIS_PASSWORD="", **urls) as service:
        service.planted |= passwords
        assert service.client.get("/readyz").status_code == 503
        service.client.get("/items")
        service.client.post("/orders", json={"article": "rope", "quantity": 1})
    assert service.leaked() == []
    assert "check failed" in service.printed.read_text()


def test_a_command_that_fails_ends_with_its_reason_and_without_the_password(
    synced: Callable[[str], Project],
) -> None:
    project, password = synced("web"), secrets.token_hex(8)
    command = [str(project.path / ".venv/bin/python"), "-m", project.package, "migrate"]
    for url in (f"postgresql://app:{password}@127.0.0.1:{free_port()}/app", f"sqlite:////proc/{password}"):
        failed = project.try_run(*command, DATABASE_URL=url, DATABASE_PASSWORD=password, LOG_FORMAT="json")
        assert failed.returncode == 1
        assert password not in failed.stdout
        assert '"event": "crashed"' in failed.stdout
        last = failed.stdout.rstrip().rpartition("}\n")[2]
        assert last.startswith(("ConnectionRefusedError: ", "sqlalchemy.exc.OperationalError: ", "OSError: ")), last
