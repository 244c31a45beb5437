"""Deployment to a host reached over SSH: real releases from a registry, under load, and how they fail."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from .conftest import copy
from .hosts import Host, Site, site_of
from .load import Load
from .project import Project, assets_in, eventually, until

pytestmark = pytest.mark.docker


def edit(project: Project, path: str, old: str, new: str) -> None:
    text = project.text(path)
    assert old in text
    (project.path / path).write_text(text.replace(old, new))


def write_migration(project: Project, revision: str, statement: str) -> None:
    head = f'from alembic import op\n\nrevision = "{revision}"\ndown_revision = "{int(revision) - 1:04}"\n\n\n'
    body = f'def upgrade() -> None:\n    op.execute("{statement}")\n'
    (project.path / f"migrations/versions/{revision}.py").write_text(head + body)


@dataclass(frozen=True)
class Web:
    """A web service on the host, and releases of it, each of which names itself on /livez."""

    site: Site
    one: dict[str, str]
    two: dict[str, str]
    """Adds a migration that release one does not know."""
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
        write_migration(project, "0002", "CREATE TABLE boats (name text)")
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
        write_migration(project, "0003", "ALTER TABLE ships ADD COLUMN colour text")
        unmigrated = site.publish("unmigrated", "prod")
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


def test_the_release_before_comes_back_when_it_is_deployed_again(web: Web) -> None:
    """As by running the job of its pipeline again, whose image knows nothing of a later migration."""
    printed = web.site.deploy(**web.one)
    assert "migrating" not in printed
    assert {each["Config"]["Image"] for each in web.site.containers("app").values()} == {web.one["IMAGE"]}


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
    assert 'relation "ships" does not exist' in failed.stdout
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
    assert current == {web.one["IMAGE"]}
    with web.load() as seen:
        printed = web.site.deploy("rollback")
    assert "two" in seen
    assert "migrating" not in printed
    assert eventually(f"{web.site.url}/livez").json() == {"status": "two"}
    assert {each["Config"]["Image"] for each in web.site.containers("app").values()} == {web.two["IMAGE"]}


def test_one_deployment_at_a_time_and_the_same_release_changes_nothing(web: Web) -> None:
    with web.site.begin_deploy(**web.one) as run:
        assert run.stdout
        assert run.stdout.readline().startswith("starting")
        refused = web.site.try_deploy(**web.two)
        run.stdout.read()
    assert run.returncode == 0
    assert refused.returncode == 1
    assert "Another deployment" in refused.stdout
    before = web.site.containers().keys()
    assert "as it did before" in web.site.deploy(**web.one)
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
    port = address.rpartition(":")[2]
    assert f"`ssh-keyscan -p {port} 127.0.0.1`" in strange.stdout


def test_a_key_may_be_in_a_file_that_others_can_read(web: Web, tmp_path: Path) -> None:
    """As GitLab's runners write it, and SSH refuses it."""
    key = tmp_path / "key"
    key.write_text(web.site.variables["DEPLOY_SSH_KEY"])
    key.chmod(0o666)
    web.site.deploy(**web.one, DEPLOY_SSH_KEY=str(key))
    missing = web.site.try_deploy(**web.one, DEPLOY_SSH_KEY=str(tmp_path / "nowhere"))
    assert missing.returncode == 1
    assert "DEPLOY_SSH_KEY names a file that cannot be read" in missing.stdout


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


def test_every_page_finds_its_assets_while_a_release_brings_new_ones(
    template: Path, tmp_path: Path, host: Host, registry: str
) -> None:
    project = copy(template, tmp_path, "towpath-deploy-static", app_type="static", deploy="compose")
    project.lock_frontend()
    seen: set[str] = set()

    def visit(client: httpx2.Client) -> httpx2.Response:
        """Open a page as a browser does that has nothing in its cache: the page, or the asset that it lacks."""
        page = client.get(site.url)
        for asset in assets_in(page.text):
            answer = client.get(site.url + asset)
            if not answer.is_success:
                return answer
            seen.add(asset)
        return page

    with site_of(project, host, registry) as site:
        site.deploy(**site.publish("one", "prod"))
        edit(project, "frontend/src/main.css", ":root {", ":root {\n  --release: two;")
        two = site.publish("two", "prod")
        with Load(visit) as load:
            time.sleep(1)
            before = set(seen)
            site.deploy(**two)
            time.sleep(1)
        assert set(load.answers) == {"200"}, load.answers
        assert {asset.rpartition(".")[2] for asset in seen - before} == {"css"}
        assert all(httpx2.get(site.url + asset).is_success for asset in before), "pages that are still open"
