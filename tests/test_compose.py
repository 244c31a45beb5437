"""The Compose files, brought up with real PostgreSQL, Redis and nginx."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from .conftest import Generate, copy
from .load import Load
from .project import Stack, compose_up, eventually, free_port, until

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def production(generate: Generate) -> Iterator[Stack]:
    """The production file of a web service, up."""
    project = generate("towpath-test-prod")
    project.run("uv", "lock", "--quiet")
    project.bake()
    project.make_secrets("database_password", "redis_password")
    with compose_up(project, "compose.prod.yaml", "HTTP_PORT") as stack:
        yield stack


@pytest.fixture
def development(template: Path, tmp_path: Path) -> Iterator[Stack]:
    """The development file of a web service, up."""
    project = copy(template, tmp_path, "towpath-test-dev")
    project.run("uv", "lock", "--quiet")
    ports = {"DATABASE_PORT": str(free_port()), "REDIS_PORT": str(free_port())}
    with compose_up(project, "compose.yaml", "PORT", **ports) as stack:
        yield stack


def add(url: str, name: str) -> int:
    answer = httpx2.post(f"{url}/items", json={"name": name})
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["id"]
    return number


def test_a_request_travels_through_the_proxy_to_the_database_and_back(production: Stack) -> None:
    number = add(production.url, "through the proxy")
    answer = httpx2.get(f"{production.url}/items/{number}", headers={"X-Request-ID": "travelling-1"})
    assert answer.json()["name"] == "through the proxy"
    assert answer.headers["x-request-id"] == "travelling-1"
    assert "travelling-1" in production.logs("proxy")
    assert "travelling-1" in production.logs("app")
    database = production.compose("exec", "--no-TTY", "database", "psql", "--username=app", "--command=TABLE items")
    assert "through the proxy" in database


def test_the_cache_is_shared_by_the_replicas(production: Stack) -> None:
    number = add(production.url, "cached")
    httpx2.get(f"{production.url}/items/{number}")
    script = "REDISCLI_AUTH=$(cat /run/secrets/redis_password) redis-cli get item:"
    assert "cached" in production.compose("exec", "--no-TTY", "redis", "sh", "-c", f"{script}{number}")


def test_a_caller_cannot_say_from_where_it_calls(production: Stack) -> None:
    headers = {"X-Forwarded-For": "203.0.113.6", "X-Request-ID": "forged-1"}
    httpx2.get(f"{production.url}/items", headers=headers).raise_for_status()
    (line,) = [line for line in production.logs("app").splitlines() if "forged-1" in line]
    (seen,) = [line for line in production.logs("proxy").splitlines() if "forged-1" in line]
    assert json.loads(line)["client"] == json.loads(seen)["client"]


def test_metrics_are_not_for_the_public(production: Stack) -> None:
    assert httpx2.get(f"{production.url}/metrics").status_code == 404


def test_nothing_is_published_but_the_proxy(production: Stack) -> None:
    published = {
        container["Config"]["Labels"]["com.docker.compose.service"]
        for container in production.containers()
        if container["HostConfig"]["PortBindings"]
    }
    assert published == {"proxy"}


def test_every_container_may_do_as_little_as_possible(production: Stack) -> None:
    for container in production.containers():
        host, name = container["HostConfig"], container["Name"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"], name
        assert host["NanoCpus"], name
        assert host["PidsLimit"], name
        assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}, name
        assert container["Config"]["User"] not in {"", "root", "0", "0:0"}, name


def test_servers_have_no_way_out(production: Stack) -> None:
    networks = production.containers("database")[0]["NetworkSettings"]["Networks"]
    assert len(networks) == 1
    assert production.project.run("docker", "network", "inspect", "--format={{.Internal}}", *networks).strip() == "true"


def test_no_password_is_in_a_variable_an_argument_or_a_log(production: Stack) -> None:
    # The rest of each would be escaped in some of the places.
    secrets = [path.read_text().split()[0] for path in (production.project.path / "secrets").iterdir()]
    assert len(secrets) == 2
    seen = repr(production.containers()) + production.compose("logs")
    processes = production.compose("top")
    for secret in secrets:
        assert secret not in seen
        assert secret not in processes


def test_data_outlives_all_containers(production: Stack) -> None:
    number = add(production.url, "kept")
    production.compose("down", "--timeout", "10")
    production.compose("up", "--detach", "--wait")
    assert httpx2.get(f"{production.url}/items/{number}").json()["name"] == "kept"


def test_a_replica_that_is_stopped_fails_no_request(production: Stack) -> None:
    count = iter(range(10**9))
    first = production.containers("app")[0]["Id"]

    def ask(client: httpx2.Client) -> httpx2.Response:
        number = next(count)
        if number % 3:
            return client.get(f"{production.url}/items")
        return client.post(f"{production.url}/items", json={"name": f"under load {number}"})

    with Load(ask) as load:
        time.sleep(1)
        production.project.run("docker", "stop", "--timeout=30", first)
        time.sleep(2)
        production.project.run("docker", "start", first)
        time.sleep(3)
    assert set(load.answers) == {"200", "201"}, load.answers
    assert sum(load.answers.values()) > 100


def test_a_lost_database_costs_answers_and_not_the_service(production: Stack) -> None:
    number = add(production.url, "before the loss")
    with Load(lambda client: client.get(f"{production.url}/items")) as load:
        time.sleep(1)
        production.compose("kill", "database")
        eventually(f"{production.url}/readyz", 503)
        assert httpx2.get(f"{production.url}/livez").status_code == 200
        lost = httpx2.get(f"{production.url}/items")
        assert (lost.status_code, lost.headers["content-type"]) == (503, "application/problem+json")
        production.compose("up", "--detach", "--wait", "database")
        eventually(f"{production.url}/readyz")
    assert set(load.answers) == {"200", "503"}, load.answers
    assert httpx2.get(f"{production.url}/items/{number}").json()["name"] == "before the loss"
    restarts = [container["RestartCount"] for container in production.containers("app")]
    assert restarts == [0] * len(restarts)


def test_a_lost_cache_costs_nothing_but_time(production: Stack) -> None:
    number = add(production.url, "not cached")
    production.compose("kill", "redis")
    try:
        assert httpx2.get(f"{production.url}/items/{number}").json()["name"] == "not cached"
        assert eventually(f"{production.url}/readyz").json()["status"] == "degraded"
    finally:
        production.compose("up", "--detach", "--wait", "redis")
    assert eventually(f"{production.url}/readyz").json()["status"] == "ready"


def test_several_replicas_may_migrate_at_once_however_long_it_takes(production: Stack, tmp_path: Path) -> None:
    production.compose("exec", "--no-TTY", "database", "psql", "-U", "app", "-c", "DROP TABLE items, alembic_version")
    migration, begin = "migrations/versions/0001_items.py", "def upgrade() -> None:\n"
    # Longer than a request may wait for the database.
    slow = production.project.text(migration).replace(begin, f'{begin}    op.execute("SELECT pg_sleep(11)")\n')
    (tmp_path / "slow.py").write_text(slow)
    printed: list[str] = []
    volume = f"--volume={tmp_path}/slow.py:/app/{migration}:ro"
    command = ["run", "--rm", "--no-deps", "--no-TTY", volume, "migrate"]
    runs = [threading.Thread(target=lambda: printed.append(production.compose(*command))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(printed) == 3, "one of them failed"
    assert "".join(printed).count("Running upgrade") == 1
    add(production.url, "after the migration")


UPSTREAM = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        size = 200 * 2**20 if self.path == "/long" else 5
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for _ in range(size // 5):
            self.wfile.write(b"12345")
    def do_POST(self):
        left = size = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 2**16)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(size))))
        self.end_headers()
        self.wfile.write(str(size).encode())
ThreadingHTTPServer(("0.0.0.0", 8000), Service).serve_forever()
"""
# What people write into the files that nginx reads of theirs.
HTTP = """
limit_req_zone $binary_remote_addr zone=slow:1m rate=1r/m;
map $http_upgrade $upgraded { default upgrade; "" close; }
upstream legacy { server app:8000; }
"""
SERVER = """
client_max_body_size 300m;
location = /limited { limit_req zone=slow; limit_req_status 429; proxy_pass http://app; }
location /legacy/ { client_max_body_size 1k; proxy_pass http://legacy/; proxy_set_header Connection $upgraded; }
location = /metrics { allow all; proxy_pass http://app; }
location = /gone { proxy_pass http://127.0.0.1:9; }
"""


@pytest.fixture(scope="module")
def proxy(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the proxy with extensions, in front of a service that takes and gives a lot."""
    project, folder, port = generate("towpath-test-proxy"), tmp_path_factory.mktemp("proxy"), free_port()
    for name, text in {"service.py": UPSTREAM, "http.d/own.conf": HTTP, "server.d/own.conf": SERVER}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    proxied = json.loads(project.run("docker", "compose", "--file=compose.prod.yaml", "config", "--format=json"))
    wanted = proxied["services"]["proxy"]
    run = ["docker", "run", "--detach", "--network=towpath-test-proxy", "--read-only"]
    names = ["towpath-test-proxy-app", "towpath-test-proxy-nginx"]

    def remove() -> None:
        project.try_run("docker", "rm", "--force", *names)
        project.try_run("docker", "network", "rm", "towpath-test-proxy")

    remove()
    try:
        project.run("docker", "network", "create", "towpath-test-proxy")
        app = ["--network-alias=app", f"--volume={folder}/service.py:/service.py:ro", "python:3.14-slim-trixie"]
        project.run(*run, f"--name={names[0]}", *app, "python", "/service.py")
        memory = wanted["deploy"]["resources"]["limits"]["memory"]
        limits = [f"--memory={memory}", f"--memory-swap={memory}", "--tmpfs=/tmp", f"--publish=127.0.0.1:{port}:8080"]
        mounts = [f"--volume={project.path}/.towpath/nginx.conf:/etc/nginx/nginx.conf:ro"]
        mounts += [f"--volume={folder}/{name}:/etc/nginx/{name}:ro" for name in ("http.d", "server.d")]
        project.run(*run, f"--name={names[1]}", *limits, *mounts, wanted["image"])
        eventually(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}"
    finally:
        remove()


def test_the_proxy_carries_more_than_its_memory_in_both_directions(proxy: str) -> None:
    size = 200 * 2**20
    body = (bytes(2**20) for _ in range(200))
    answer = httpx2.post(f"{proxy}/", content=body, headers={"Content-Length": str(size)}, timeout=60)
    assert answer.text == str(size)
    with httpx2.stream("GET", f"{proxy}/long") as first, httpx2.stream("GET", f"{proxy}/long") as second:
        # Nobody reads on, and the proxy still has memory for others.
        time.sleep(3)
        assert (first.status_code, second.status_code) == (200, 200)
        assert httpx2.get(f"{proxy}/").text == "12345"


def test_the_proxy_itself_answers_as_the_service_does(proxy: str) -> None:
    for path, status, title in (("/legacy/", 413, "Content Too Large"), ("/gone", 502, "Bad Gateway")):
        answer = httpx2.post(f"{proxy}{path}", content=bytes(2000), headers={"X-Request-ID": "told-1"})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"] == "told-1"
        assert answer.json() == {"type": "about:blank", "title": title, "status": status}


def test_the_proxy_answers_head_for_whatever_answers_get(proxy: str) -> None:
    answer = httpx2.head(f"{proxy}/")
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "5", b"")


def test_the_proxy_takes_what_belongs_into_either_block_of_nginx(proxy: str) -> None:
    assert [httpx2.get(f"{proxy}/limited").status_code for _ in range(2)] == [200, 429]
    assert httpx2.get(f"{proxy}/legacy/").text == "12345"
    assert httpx2.get(f"{proxy}/metrics").text == "12345"


def test_the_proxy_logs_no_query_and_no_referrer_whatever_fails(proxy: str, generate: Generate) -> None:
    headers = {"Referer": "https://example.com/?token=planted", "X-Request-ID": "planting-1"}
    for path in ("/gone", "/legacy/", "/limited", "/limited", "/a%00"):
        httpx2.post(f"{proxy}{path}?token=planted", content=bytes(2000), headers=headers)
    printed = generate("towpath-test-proxy").run("docker", "logs", "towpath-test-proxy-nginx")
    lines = [json.loads(line) for line in printed.splitlines() if "planting-1" in line]
    assert [(line["path"], line["status"]) for line in lines][:2] == [("/gone", 502), ("/legacy/", 413)]
    assert "planted" not in printed


def test_production_without_its_secrets_says_which_one_is_missing(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path, "towpath-test-prod-bare")
    failed = project.try_run("docker", "compose", "--file=compose.prod.yaml", "up", "--no-start", "database")
    project.try_run("docker", "compose", "--file=compose.prod.yaml", "down", "--volumes")
    assert failed.returncode != 0
    assert "database_password" in failed.stdout


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [("", 0o444, "The secret redis_password is empty."), ("word", 0o400, "redis_password: Permission denied")],
    ids=["empty", "unreadable"],
)
def test_a_server_whose_password_is_no_use_stops_and_says_so(
    template: Path, tmp_path: Path, content: str, mode: int, said: str
) -> None:
    project = copy(template, tmp_path, "towpath-test-prod-bare", database="none")
    project.make_secrets("redis_password")
    secret = project.path / "secrets/redis_password"
    secret.unlink()
    secret.write_text(content)
    secret.chmod(mode)
    compose = ["docker", "compose", "--file=compose.prod.yaml"]
    try:
        failed = project.try_run(*compose, "run", "--rm", "--no-deps", "--quiet-pull", "redis", timeout=60)
    finally:
        project.run(*compose, "down", "--volumes")
    assert failed.returncode != 0
    (line,) = [line for line in failed.stdout.splitlines() if "redis_password" in line]
    assert said in line
    assert "Ready to accept connections" not in failed.stdout


def test_development_uses_real_servers_that_only_this_machine_can_reach(development: Stack) -> None:
    add(development.url, "at work")
    database = development.compose("exec", "--no-TTY", "database", "psql", "--username=app", "--command=TABLE items")
    assert "at work" in database
    for container in development.containers():
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values():
            assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}

    printed = development.compose("run", "--build", "--rm", "--no-TTY", "test")
    assert "passed" in printed
    assert not re.search(r"\d+ failed", printed)

    workspace = ["--file=.devcontainer/compose.yaml", "run", "--rm", "--no-TTY", "workspace"]
    check = "uv run --quiet python -c 'import os; print(os.environ[\"DATABASE_URL\"])'"
    assert "@database/app" in development.compose(*workspace, "sh", "-c", check)


def test_an_edit_shows_at_once_in_development(development: Stack) -> None:
    command = ["docker", "compose", "watch", "--no-up"]
    environment = {**os.environ, **development.environment}
    health = development.project.path / f"src/{development.project.package}/health.py"
    with subprocess.Popen(command, cwd=development.project.path, env=environment) as watch:
        try:
            time.sleep(3)
            health.write_text(health.read_text().replace('"alive"', '"edited"'))
            until(
                lambda: eventually(f"{development.url}/livez").json() == {"status": "edited"},
                30,
                "the edit did not show",
            )
        finally:
            watch.terminate()
