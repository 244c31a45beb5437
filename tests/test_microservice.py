"""The microservice type in production: messages survive whatever dies, and none has its effect twice."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from .conftest import Generate
from .project import Stack, compose_up, until

pytestmark = pytest.mark.docker

MESSAGES = 1000


@pytest.fixture(scope="module", params=["postgresql", "none"])
def production(generate: Generate, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The production file of a microservice with one worker, up."""
    project = generate(f"towpath-test-messages-{request.param}", app_type="microservice", database=request.param)
    project.run("uv", "lock", "--quiet")
    project.bake()
    project.make_secrets("database_password", "redis_password")
    with compose_up(project, "compose.prod.yaml", "HTTP_PORT", WORKERS="1") as stack:
        yield stack


def place(url: str, article: str, key: str | None = None) -> httpx2.Response:
    order = {"article": article, "quantity": 1}
    return httpx2.post(f"{url}/orders", json=order, headers={"Idempotency-Key": key or uuid.uuid4().hex}, timeout=30)


def sold(stack: Stack, article: str) -> int:
    number: int = httpx2.get(f"{stack.url}/sales", timeout=30).json()["articles"].get(article, 0)
    return number


def redis(stack: Stack, *command: str) -> str:
    script = 'REDISCLI_AUTH=$(cat /run/secrets/redis_password) exec redis-cli "$@"'
    return stack.compose("exec", "--no-TTY", "redis", "sh", "-c", script, "redis-cli", *command).strip()


def worker_answer(stack: Stack, path: str) -> str:
    """What the worker says on its own port, which nobody outside can reach."""
    script = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:8000{path}').read().decode())"
    return stack.compose("exec", "--no-TTY", "worker", "python", "-c", script)


def test_no_message_is_lost_or_has_its_effect_twice_when_workers_are_killed(production: Stack) -> None:
    before = sold(production, "rope")
    production.compose("stop", "worker")
    keys = [uuid.uuid4().hex for _ in range(MESSAGES)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda key: place(production.url, "rope", key), keys))
        again = list(pool.map(lambda key: place(production.url, "rope", key), keys[::10]))
    assert {answer.status_code for answer in answers + again} == {202}
    assert len({answer.json()["id"] for answer in answers + again}) == MESSAGES

    for enough in (100, 400):
        production.compose("up", "--detach", "worker")
        until(lambda enough=enough: sold(production, "rope") - before >= enough)  # type: ignore[misc]
        production.compose("kill", "--signal=KILL", "worker")
        assert sold(production, "rope") - before < MESSAGES, "it was killed too late to prove anything"
    assert int(redis(production, "XPENDING", "messages", "workers").split()[0]) > 0, "nothing was in hand"
    production.compose("up", "--detach", "--wait", "worker")
    until(lambda: redis(production, "XLEN", "messages") == "0")

    assert sold(production, "rope") - before == MESSAGES
    with ThreadPoolExecutor(8) as pool:
        orders = list(pool.map(lambda answer: httpx2.get(production.url + answer.headers["location"]), answers))
    assert {order.json()["status"] for order in orders} == {"accepted"}
    assert redis(production, "XLEN", "messages:dead") == "0"


def test_a_poison_message_becomes_a_dead_letter_and_holds_nothing_up(production: Stack) -> None:
    before = sold(production, "anchor")
    redis(production, "XADD", "messages", "*", "message", "poison")
    place(production.url, "anchor")
    until(lambda: sold(production, "anchor") == before + 1)
    until(lambda: redis(production, "XLEN", "messages:dead") == "1")
    assert "not a message" in redis(production, "XRANGE", "messages:dead", "-", "+")
    until(lambda: 'messages_backlog{state="dead"} 1.0' in worker_answer(production, "/metrics"))
    redis(production, "DEL", "messages:dead")


def test_a_request_can_be_followed_into_the_worker(production: Stack) -> None:
    order = {"article": "rope", "quantity": 1}
    headers = {"Idempotency-Key": uuid.uuid4().hex, "X-Request-ID": "travelling-2"}
    assert httpx2.post(f"{production.url}/orders", json=order, headers=headers).status_code == 202
    until(lambda: "travelling-2" in production.logs("worker"), 20)


def test_a_lost_broker_costs_answers_and_neither_messages_nor_processes(production: Stack) -> None:
    before = sold(production, "lantern")
    production.compose("stop", "worker")
    assert place(production.url, "lantern").status_code == 202
    production.compose("kill", "redis")
    production.compose("up", "--detach", "--no-deps", "worker")
    lost = place(production.url, "lantern")
    assert (lost.status_code, lost.headers["content-type"]) == (503, "application/problem+json")
    assert httpx2.get(f"{production.url}/livez").status_code == 200
    until(lambda: "no messages can be had" in production.logs("worker"), 30)
    assert "alive" in worker_answer(production, "/livez")

    production.compose("up", "--detach", "--wait", "redis")
    # Each replica finds its way back by itself, so the first to be ready does not speak for the others.
    key = uuid.uuid4().hex
    until(lambda: place(production.url, "lantern", key).status_code == 202, 30)
    until(lambda: sold(production, "lantern") == before + 2)
    restarts = [container["RestartCount"] for container in production.containers() if container["State"]["Running"]]
    assert restarts == [0] * len(restarts)


def test_a_broker_that_comes_back_empty_needs_nobody_to_repair_it(production: Stack) -> None:
    redis(production, "FLUSHALL")
    order = place(production.url, "rope").json()
    until(lambda: httpx2.get(f"{production.url}/orders/{order['id']}").json().get("status") == "accepted", 60)


def test_a_lost_database_costs_time_and_no_attempt(production: Stack) -> None:
    if "database" not in production.compose("config", "--services").split():
        pytest.skip("there is no database")
    order = place(production.url, "rope").json()
    production.compose("kill", "database")
    order = place(production.url, "rope").json()
    until(lambda: "postponed" in production.logs("worker"), 60)
    production.compose("up", "--detach", "--wait", "database")
    until(lambda: httpx2.get(f"{production.url}/orders/{order['id']}").json().get("status") == "accepted")
    assert redis(production, "XLEN", "messages:dead") == "0"


def test_a_worker_that_is_told_to_stop_leaves_nothing_in_hand(production: Stack) -> None:
    production.compose("stop", "worker")
    worker = production.containers("worker")[0]
    assert worker["State"]["ExitCode"] == 0
    assert redis(production, "XPENDING", "messages", "workers").split()[0] == "0"
    production.compose("up", "--detach", "--wait", "worker")


def test_nothing_of_the_worker_is_published(production: Stack) -> None:
    assert not production.containers("worker")[0]["HostConfig"]["PortBindings"]
    assert production.containers("worker")[0]["State"]["Health"]["Status"] == "healthy"
