"""Deployment to a host reached over SSH: real releases from a registry, under load, and how they fail."""

import getpass
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .conftest import copy, skip_unless_ci
from .load import Load
from .project import Project, eventually, free_port, until

pytestmark = pytest.mark.docker

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


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, containerd_host: str) -> Iterator[Host]:
    """An SSH server whose user may use another engine than the one that builds: what a pipeline has to know of it."""
    server = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not server:
        skip_unless_ci("needs an SSH server: install openssh-server")
    folder, port = tmp_path_factory.mktemp("ssh"), free_port()
    machine = Project(folder)
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
        "SetEnv": f"DOCKER_HOST={containerd_host or os.environ.get('DOCKER_HOST', 'unix:///var/run/docker.sock')}",
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
            yield Host(containerd_host, variables)
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
    try:
        yield site
    finally:
        host.docker("compose", "--project-name", f"{project.slug}-prod", "down", "--volumes", "--timeout=1")
        for machine in (host, Host("", {})):
            where = ["--host", machine.engine] if machine.engine else []
            project.try_run("docker", *where, "image", "rm", "--force", *site.published)


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
            alive = client.get(f"{self.site.url}/livez")
            seen.add(alive.json()["status"] if alive.is_success else f"{alive.status_code}: {alive.text}")
            return client.post(f"{self.site.url}/items", json={"name": os.urandom(8).hex()})

        with Load(ask) as load:
            yield seen
        assert set(load.answers) == {"201"}, load.answers
        assert load.answers.total() > 50


@pytest.fixture(scope="module")
def web(template: Path, tmp_path_factory: pytest.TempPathFactory, host: Host, registry: str) -> Iterator[Web]:
    """A web service of which release one is deployed, the first ever."""
    project = copy(template, tmp_path_factory.mktemp("web"), "towpath-deploy-web", deploy="compose")
    with site_of(project, host, registry) as site:
        health = f"src/{project.package}/health.py"
        original = project.text(health)
        one = site.publish("one", "prod")
        edit(project, health, 'status="alive"', 'status="two"')
        edit(project, health, '"alive", "stuck"', '"two", "stuck"')
        two = site.publish("two", "prod")
        edit(project, health, '"two"', '"sick"')
        edit(
            project,
            health,
            'elif all(healthy):\n        status = "ready"',
            'elif all(healthy):\n        status = "unavailable"',
        )
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


def test_a_release_that_cannot_serve_is_taken_back_before_anyone_meets_it(web: Web) -> None:
    before = web.site.containers().keys()
    with web.load() as seen:
        failed = web.site.try_deploy("--wait=20", **web.sick)
    assert failed.returncode == 1
    assert "is not healthy after 20 s" in failed.stdout
    assert '"event"' in failed.stdout, "the log of the replica that failed is missing"
    assert "sick" not in seen
    assert web.site.containers().keys() == before


def test_a_migration_that_fails_stops_the_release_with_its_reason(web: Web) -> None:
    before = web.site.containers().keys()
    failed = web.site.try_deploy(**web.unmigrated)
    assert failed.returncode == 1
    assert 'relation "boats" does not exist' in failed.stdout
    assert web.site.containers().keys() == before


def test_a_deployment_that_is_stopped_leaves_what_was_there(web: Web) -> None:
    before = web.site.containers().keys()
    with web.site.begin_deploy(**web.sick) as run:
        assert run.stdout
        for line in run.stdout:
            if line.startswith("starting"):
                time.sleep(3)
                assert len(web.site.containers().keys() - before) == 2
                os.killpg(run.pid, signal.SIGINT)
    assert run.returncode == 130
    assert web.site.containers().keys() == before


def test_a_rollback_is_one_command_and_fails_no_request(web: Web) -> None:
    current = {each["Config"]["Image"] for each in web.site.containers("app").values()}
    assert current == {web.two["IMAGE"]}
    with web.load() as seen:
        printed = web.site.deploy("rollback")
    assert "alive" in seen
    assert "migrating" not in printed
    assert eventually(f"{web.site.url}/livez").json() == {"status": "alive"}
    assert {each["Config"]["Image"] for each in web.site.containers("app").values()} == {web.one["IMAGE"]}


def test_one_deployment_at_a_time_and_the_same_release_changes_nothing(web: Web) -> None:
    before = web.site.containers().keys()
    with web.site.begin_deploy(**web.one) as run:
        assert run.stdout
        assert run.stdout.readline() == "migrating\n"
        refused = web.site.try_deploy(**web.two)
        assert "as it did before" in run.stdout.read()
    assert run.returncode == 0
    assert refused.returncode == 1
    assert "Another deployment" in refused.stdout
    assert web.site.containers().keys() == before


def test_the_proxy_reads_a_new_configuration_without_a_failed_request_and_refuses_a_broken_one(web: Web) -> None:
    before = web.site.containers().keys()
    configuration = web.site.project.path / ".towpath/nginx.conf"
    original = configuration.read_text()
    try:
        configuration.write_text(original.replace("server_tokens off;", "server_tokens off; add_header X-New yes;"))
        with web.load():
            web.site.deploy(**web.one)
            time.sleep(1)
        assert httpx2.get(f"{web.site.url}/livez").headers["x-new"] == "yes"
        configuration.write_text(original.replace("server_tokens off;", "server_tokens of;"))
        failed = web.site.try_deploy(**web.one)
    finally:
        configuration.write_text(original)
    assert failed.returncode == 1
    assert 'invalid value "of"' in failed.stdout
    assert web.site.containers().keys() == before
    assert eventually(f"{web.site.url}/livez").headers["x-new"] == "yes"


def test_a_database_or_the_same_release_is_replaced_when_that_is_asked_for(web: Web) -> None:
    database = web.site.containers("database").keys()
    added = httpx2.post(f"{web.site.url}/items", json={"name": "kept"}).json()["id"]
    site_file = web.site.project.path / "compose.site.yaml"
    site_file.write_text("services: {database: {shm_size: 64mb}}\n")
    try:
        printed = web.site.deploy(**web.one)
        assert "database goes on as it is" in printed
        assert web.site.containers("database").keys() == database
        replicas = web.site.containers("app").keys()
        previous = web.site.folder.text(".releases/previous/release.env")
        web.site.deploy("--recreate", "--again", **web.one)
    finally:
        site_file.unlink()
    assert web.site.containers("database").keys() != database
    assert not web.site.containers("app").keys() & replicas
    assert web.site.folder.text(".releases/previous/release.env") == previous
    assert eventually(f"{web.site.url}/items/{added}").json()["name"] == "kept"


def test_an_image_without_a_digest_and_a_host_that_is_another_are_refused(web: Web, tmp_path: Path) -> None:
    Project(tmp_path).run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
    another_key = (tmp_path / "key.pub").read_text()
    tagged = web.site.try_deploy(IMAGE=f"{web.site.registry}/{web.site.project.slug}:one")
    assert tagged.returncode == 1
    assert "by its digest" in tagged.stdout
    address = web.site.variables["DEPLOY_KNOWN_HOSTS"].split()[0]
    strange = web.site.try_deploy(**web.one, DEPLOY_KNOWN_HOSTS=f"{address} {another_key}")
    assert strange.returncode == 1
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in strange.stdout
    assert "ssh-keyscan" in strange.stdout


def test_no_secret_is_left_in_a_file_of_the_host(web: Web) -> None:
    files = [path for path in web.site.folder.path.rglob("*") if path.is_file() and path.parent.name != "secrets"]
    logins = Path.home() / ".docker/config.json"
    for path in [*files, *([logins] if logins.exists() else [])]:
        text = path.read_text()
        assert web.site.registry not in text or path.name == "release.env", path
        assert not any(secret in text for secret in web.site.secrets), path


def test_workers_are_replaced_with_the_service_and_lose_no_message(
    template: Path, tmp_path: Path, host: Host, registry: str
) -> None:
    project = copy(template, tmp_path, "towpath-deploy-micro", app_type="microservice", deploy="compose")
    answers: list[str] = []

    def order(client: httpx2.Client) -> httpx2.Response:
        answer = client.post(
            f"{site.url}/orders",
            json={"article": "rope", "quantity": 1},
            headers={"Idempotency-Key": os.urandom(8).hex()},
        )
        answers.append(answer.json()["id"])
        time.sleep(0.1)
        return answer

    with site_of(project, host, registry, REPLICAS="1", WORKERS="1") as site:
        site.deploy(**site.publish("one", "prod"))
        old = site.containers("app", "worker").keys()
        edit(project, f"src/{project.package}/health.py", "the process alive?", "the process still alive?")
        two = site.publish("two", "prod")
        with Load(order, callers=2) as load:
            time.sleep(1)
            site.deploy(**two)
        assert set(load.answers) == {"202"}, load.answers
        new = site.containers("app", "worker")
        assert len(new) == 2
        assert not new.keys() & old
        for identifier in answers:
            order_at = f"{site.url}/orders/{identifier}"
            until(lambda at=order_at: httpx2.get(at).json()["status"] != "pending", 30, "lost")  # type: ignore[misc]
