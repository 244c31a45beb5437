"""Models: trained in one container and served by another, refused when damaged, and CUDA where it is asked for."""

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from .conftest import Generate
from .project import Project, Stack, eventually, free_port, until

PRODUCTION = "compose.prod.yaml"
WINE = {
    "alcohol": 13.2,
    "malic_acid": 1.78,
    "ash": 2.14,
    "alcalinity_of_ash": 11.2,
    "magnesium": 100,
    "total_phenols": 2.65,
    "flavanoids": 2.76,
    "nonflavanoid_phenols": 0.26,
    "proanthocyanins": 1.28,
    "color_intensity": 4.38,
    "hue": 1.05,
    "od280_od315_of_diluted_wines": 3.4,
    "proline": 1050,
}

# Asks the service from inside its own container, as soon as it listens, whether or not it is ready.
ASK = """
import json, sys, time, urllib.error, urllib.request
while True:
    try:
        answer = urllib.request.urlopen("http://127.0.0.1:8000" + sys.argv[1])
    except urllib.error.HTTPError as error:
        answer = error
    except urllib.error.URLError:
        time.sleep(0.2)
        continue
    print(json.dumps([answer.status, json.load(answer)]))
    break
"""


@pytest.fixture(scope="module")
def built(generate: Generate) -> Project:
    """A project whose images for serving and for training were built."""
    project = generate("towpath-test-ml", app_type="ml")
    project.run("uv", "lock", "--quiet")
    project.bake()
    return project


@contextmanager
def production_file(project: Project, name: str) -> Iterator[Stack]:
    """The production file under a name of its own, so with a volume of its own; nothing is started yet."""
    port = free_port()
    environment = {"COMPOSE_PROJECT_NAME": name, "HTTP_PORT": str(port), "REPLICAS": "1"}
    stack = Stack(project, PRODUCTION, f"http://127.0.0.1:{port}", environment)
    try:
        yield stack
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "3", "--remove-orphans")


@pytest.fixture
def production(built: Project) -> Iterator[Stack]:
    """A service in production, with its first model."""
    with production_file(built, "towpath-test-ml-served") as stack:
        train(stack)
        stack.compose("up", "--detach", "--wait", "--wait-timeout", "120")
        yield stack


def train(stack: Stack, *options: str) -> str:
    """Train in a container of its own; the SHA-256 of the published model."""
    printed = stack.compose("run", "--rm", "--no-TTY", "train", "train", *options)
    published: dict[str, str] = json.loads(printed.splitlines()[-1])
    return published["sha256"]


def inside(stack: Stack, path: str) -> tuple[int, Any]:
    """What the service answers to a caller in its own container."""
    status, body = json.loads(stack.compose("exec", "--no-TTY", "app", "python", "-c", ASK, path, timeout=60))
    return status, body


def in_volume(stack: Stack, script: str) -> str:
    """What a shell prints that can write where the models are."""
    return stack.compose("run", "--rm", "--no-TTY", "--entrypoint", "sh", "train", "-c", script)


def serves(stack: Stack, sha256: str) -> None:
    until(lambda: eventually(f"{stack.url}/model").json()["sha256"] == sha256, 30, f"{sha256} was not served")


@pytest.mark.docker
def test_a_model_trained_in_one_container_is_served_by_another(built: Project) -> None:
    with production_file(built, "towpath-test-ml-first") as stack:
        stack.compose("up", "--detach", "app")
        assert inside(stack, "/livez")[0] == 200
        status, readiness = inside(stack, "/readyz")
        assert (status, readiness["checks"]) == (503, {"model": "failed"})
        started = stack.containers("app")[0]["State"]["StartedAt"]

        sha256 = train(stack)
        stack.compose("up", "--detach", "--wait", "--wait-timeout", "120")
        answer = httpx2.post(f"{stack.url}/predictions", json={"instances": [WINE, WINE]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"].endswith(sha256[:12])
        assert [prediction["label"] for prediction in answer.json()["predictions"]] == ["grower_1"] * 2
        assert stack.containers("app")[0]["State"]["StartedAt"] == started, "it was restarted"


@pytest.mark.docker
def test_a_newer_model_is_served_without_a_restart_and_a_bad_one_is_never_published(production: Stack) -> None:
    newer = train(production, "--seed", "1")
    serves(production, newer)

    command = ["docker", "compose", "--file", PRODUCTION, "run", "--rm", "--no-TTY"]
    command += ["--env", "MIN_ACCURACY=0.999", "train", "train", "--seed", "2"]
    refused = production.project.try_run(*command, timeout=120, **production.environment)
    assert refused.returncode == 1
    assert "Nothing was published." in refused.stdout
    assert in_volume(production, "cat /models/current").strip() == newer


@pytest.mark.docker
def test_a_tampered_model_is_refused_and_training_again_repairs_it(production: Stack) -> None:
    before = httpx2.post(f"{production.url}/predictions", json={"instances": [WINE]}).json()
    in_volume(production, "printf evil > /models/$(cat /models/current).onnx")
    until(lambda: "it was changed after it was published" in production.logs("app"), 30, "nobody noticed")
    assert httpx2.post(f"{production.url}/predictions", json={"instances": [WINE]}).json() == before

    production.compose("restart", "app")
    eventually(f"{production.url}/livez")
    status, readiness = inside(production, "/readyz")
    assert (status, readiness["checks"]) == (503, {"model": "failed"})
    assert httpx2.post(f"{production.url}/predictions", json={"instances": [WINE]}).status_code == 503

    train(production)
    eventually(f"{production.url}/readyz")
    assert httpx2.post(f"{production.url}/predictions", json={"instances": [WINE]}).json() == before


@pytest.mark.docker
def test_only_training_can_write_models_and_it_has_no_network(production: Stack) -> None:
    app = production.containers("app")[0]
    assert [mount["RW"] for mount in app["Mounts"] if mount["Destination"] == "/models"] == [False]
    configuration = json.loads(production.compose("--profile", "*", "config", "--format", "json"))
    training = configuration["services"]["train"]
    assert training["network_mode"] == "none"
    assert (training["read_only"], training["cap_drop"]) == (True, ["ALL"])


@pytest.mark.docker
def test_the_image_that_serves_can_neither_train_nor_needs_libgomp(built: Project) -> None:
    refused = built.try_run("docker", "run", "--rm", f"{built.slug}:latest", "train")
    assert refused.returncode == 2
    assert "train in the image `train`" in refused.stdout

    find = "find / -xdev -name 'libgomp*' 2>/dev/null"
    script = f"{find}; python -c 'import {built.package}.models.artefact' && echo imported"
    printed = built.run("docker", "run", "--rm", "--entrypoint=sh", f"{built.slug}:latest", "-c", script)
    assert printed.strip() == "imported"


@pytest.mark.docker
def test_development_trains_before_it_serves(built: Project) -> None:
    port = free_port()
    stack = Stack(built, "compose.yaml", f"http://127.0.0.1:{port}", {"PORT": str(port)})
    try:
        stack.compose("up", "--build", "--detach", "--wait", "--wait-timeout", "180", "app")
        answer = httpx2.post(f"{stack.url}/predictions", json={"instances": [WINE]})
        assert answer.json()["predictions"][0]["label"] == "grower_1"
        printed = stack.compose("run", "--build", "--rm", "--no-TTY", "test")
        assert " passed" in printed
        assert " failed" not in printed
    finally:
        stack.compose("--profile", "*", "down", "--volumes", "--timeout", "3")


def test_cuda_is_a_conflicting_extra_that_only_the_image_installs(generate: Generate) -> None:
    project = generate("towpath-test-cuda", app_type="ml", accelerator="cuda")
    project.run("uv", "lock", "--quiet")
    locked = {package["name"] for package in tomllib.loads(project.text("uv.lock"))["package"]}
    assert {"onnxruntime", "onnxruntime-gpu", "nvidia-cudnn-cu13"} <= locked

    sync = ["uv", "sync", "--locked", "--dry-run"]
    laptop = project.run(*sync)
    assert " onnxruntime==" in laptop
    assert "nvidia" not in laptop
    image = project.run(*sync, "--no-default-groups", "--extra", "cuda")
    assert " onnxruntime-gpu==" in image
    assert " onnxruntime==" not in image
    both = project.try_run(*sync, "--extra", "cuda")
    assert both.returncode != 0
    assert "incompatible" in both.stdout
    # What serves installs it; what only trains does without.
    installing = [line for line in project.text("Dockerfile").splitlines() if "uv sync" in line]
    assert installing
    for line in installing:
        assert ("--extra cuda" in line) == ("--group train" not in line), line


@pytest.mark.parametrize(("accelerator", "devices"), [("cpu", None), ("cuda", ["gpu"])])
def test_a_gpu_is_reserved_where_it_is_asked_for(
    generate: Generate, accelerator: str, devices: list[str] | None
) -> None:
    project = generate(f"towpath-test-{accelerator}", app_type="ml", accelerator=accelerator)
    printed = project.run("docker", "compose", "--file", PRODUCTION, "config", "--format", "json")
    app = json.loads(printed)["services"]["app"]
    reserved = app["deploy"]["resources"].get("reservations", {}).get("devices")
    assert (reserved and reserved[0]["capabilities"]) == devices
    assert app["environment"].get("ACCELERATOR") == ("cuda" if devices else None)
