"""What the benchmark asks of the Docker engine."""

import asyncio
import contextlib
import http.client
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from application import Application

# The same for every contestant, whatever its image says itself.
ENVIRONMENT = ["--env=HOST=0.0.0.0", "--env=DATA_DIR=/tmp/data"]
MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
LOAD_SECONDS = 4
CONNECTIONS = 16

FILES = """
import importlib.metadata, json, pathlib
installed = {path for found in importlib.metadata.distributions() for path in found.files or []}
wheels = sum(path.locate().stat().st_size for path in installed if path.suffix != ".pyc" and path.locate().exists())
compiled = [path for top in ("/usr/local", "/opt") for path in pathlib.Path(top).rglob("*.pyc")]
print(json.dumps({"wheels": wheels, "bytecode": sum(path.stat().st_size for path in compiled)}))
"""


def docker(*arguments: str, quiet: bool = False) -> str:
    """Run a docker command that must succeed, and return its standard output."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if done.returncode and not quiet:
        sys.exit(f"docker {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout.strip()


def build(application: Application, image: str, caches: str, *, cold: bool = False) -> float:
    """Build an image.

    Args:
        application: What to build.
        image: Its name.
        caches: The namespace of the cache mounts. A cold build uses a new one, so that it finds them empty, and no
            cached layer; packages then come from their index, and only base images are on the machine.
        cold: Whether to build so.

    Returns:
        Seconds.
    """
    options = ["--quiet", f"--build-arg=BUILDKIT_CACHE_MOUNT_NS={caches}", f"--tag={image}"]
    options += ["--no-cache"] if cold else []
    options += [f"--target={application.target}"] if application.target else []
    started = time.perf_counter()
    docker("build", *options, str(application.path))
    return time.perf_counter() - started


def size(image: str) -> int:
    """Bytes of an image as the engine counts them."""
    return int(docker("image", "inspect", "--format={{.Size}}", image))


def files(image: str) -> dict[str, int]:
    """Bytes of the installed wheels' files, and of all bytecode, in one of our images."""
    answer: dict[str, int] = json.loads(docker("run", "--rm", "--entrypoint=python", image, "-c", FILES))
    return answer


def port_of(container: str, port: int) -> int:
    """The port of this machine that leads to a container's."""
    return int(docker("port", container, str(port)).splitlines()[0].rsplit(":", 1)[1])


def wait_for(url: str, seconds: float = 60) -> None:
    """Return at the first answer with status 200."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        # Before anybody listens on it, a connection to a port of this machine can meet itself: that is no HTTP.
        not_yet = contextlib.suppress(OSError, http.client.HTTPException)
        with not_yet, urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.01)
    sys.exit(f"{url} did not answer within {seconds} s")


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """A registry of the benchmark's own, open to this machine: its address."""
    settings = folder / "registry.yml"
    settings.write_text(
        "version: 0.1\nhttp: {addr: ':5000'}\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\n"
    )
    settings.chmod(0o644)
    folder.chmod(0o755)
    options = ["--publish=127.0.0.1::5000", f"--volume={settings}:/etc/docker/registry/config.yml:ro"]
    container = docker("run", "--detach", *options, "registry:2")
    try:
        address = f"localhost:{port_of(container, 5000)}"
        wait_for(f"http://{address}/v2/")
        yield address
    finally:
        docker("rm", "--force", "--volumes", container)


def push(image: str, address: str, tag: str) -> dict[str, int]:
    """Push an image, and return the bytes of each blob of it, its manifest included, by digest."""
    repository = image.split(":")[0]
    pushed = f"{address}/{repository}:{tag}"
    docker("tag", image, pushed)
    try:
        docker("push", "--quiet", pushed)
    finally:
        docker("image", "rm", pushed)
    request = urllib.request.Request(f"http://{address}/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFESTS})
    with urllib.request.urlopen(request) as answer:
        body = answer.read()
    manifest: Any = json.loads(body)
    blobs = {blob["digest"]: blob["size"] for blob in [manifest["config"], *manifest["layers"]]}
    return blobs | {tag: len(body)}


def serve(image: str) -> dict[str, float]:
    """Start a container: seconds to the first answer, then bytes of resident memory, then requests per second."""
    started = time.perf_counter()
    container = docker("run", "--detach", "--publish=127.0.0.1::8000", *ENVIRONMENT, image)
    try:
        port = port_of(container, 8000)
        wait_for(f"http://127.0.0.1:{port}/livez")
        start = time.perf_counter() - started
        processes = docker("top", container, "-eo", "pid,rss").splitlines()[1:]
        return {
            "start": start,
            "memory": 1024 * sum(int(process.split()[1]) for process in processes),
            "requests": asyncio.run(load(port)),
        }
    finally:
        docker("rm", "--force", "--volumes", container)


async def load(port: int) -> float:
    """Requests per second over some kept connections."""
    deadline = time.monotonic() + LOAD_SECONDS

    async def call() -> int:
        answered = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < deadline:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            await reader.readexactly(int(length))
            answered += 1
        writer.close()
        return answered

    return sum(await asyncio.gather(*(call() for _ in range(CONNECTIONS)))) / LOAD_SECONDS


def machine() -> dict[str, Any]:
    """What the measurements depend on."""
    about: Any = json.loads(docker("info", "--format={{json .}}"))
    return {
        "engine": about["ServerVersion"],
        "storage": about["Driver"],
        "architecture": about["Architecture"],
        "processors": about["NCPU"],
        "memory_gib": round(about["MemTotal"] / 2**30),
    }


def forget(images: list[str], caches: str) -> None:
    """Remove images, and cache mounts by the beginning of their namespace."""
    docker("image", "rm", "--force", *images, quiet=True)
    docker("builder", "prune", "--force", "--filter", f'description~="id .{caches}"', quiet=True)


def base_of(folder: Path) -> str:
    """The image that our production image is built on."""
    dockerfile = (folder / "Dockerfile").read_text()
    return next(line.split("}")[1].split()[0] for line in dockerfile.splitlines() if line.endswith(" AS base"))
