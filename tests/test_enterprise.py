"""Builds inside a company: a private index behind its own authority, and base images from a mirror.

The index is a real TLS server that this test makes, with its own authority and a password, and serves one real package.
"""

import base64
import gzip
import ipaddress
import ssl
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from .conftest import copy
from .project import Project

pytestmark = pytest.mark.docker

USER, PASSWORD = "builder", "correct-horse-battery-staple"


class PrivateIndex(SimpleHTTPRequestHandler):
    """Files, for those who know the password."""

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def private_index(files: Path, authority: trustme.CA, host: str) -> Iterator[str]:
    """Serve a folder at an address that containers can reach."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    server = ThreadingHTTPServer((host, 0), partial(PrivateIndex, directory=str(files)))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://{host}:{server.server_port}/simple/"
    finally:
        server.shutdown()


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    return copy(template, tmp_path, "towpath-test-private", database="none", cache="none")


@pytest.fixture
def host(project: Project) -> str:
    """This machine, as containers see it."""
    address = project.run(
        "docker", "network", "inspect", "bridge", "--format={{(index .IPAM.Config 0).Gateway}}"
    ).strip()
    return str(ipaddress.ip_address(address))


def source_of(folder: Path, name: str, line: str) -> Project:
    """A package of one line."""
    (folder / "src" / name.replace("-", "_")).mkdir(parents=True)
    (folder / "src" / name.replace("-", "_") / "__init__.py").write_text(f"{line}\n")
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"\n'
    )
    return Project(folder)


def package(folder: Path) -> None:
    """An index that holds one package, `harbour-rules`."""
    source = source_of(folder / "source", "harbour-rules", 'RULE = "give way"')
    listing = folder / "simple/harbour-rules"
    source.run("uv", "build", "--quiet", "--wheel", "--out-dir", str(listing))
    (listing / ".gitignore").unlink(missing_ok=True)
    links = "".join(f'<a href="{wheel.name}">{wheel.name}</a>' for wheel in listing.glob("*.whl"))
    (listing / "index.html").write_text(f"<!doctype html>{links}")


def repository(folder: Path) -> None:
    """Another package in a git repository that any web server can serve."""
    source = source_of(folder / "repository", "harbour-signals", 'SIGNAL = "two long"')
    source.git("init", "--quiet", "--initial-branch=main")
    source.commit()
    source.git("clone", "--quiet", "--bare", ".", str(folder / "simple/signals.git"))
    Project(folder / "simple/signals.git").git("update-server-info")


def secrets_are_not_in(content: bytes, authority: trustme.CA) -> None:
    """Neither the password nor the authority."""
    assert PASSWORD.encode() not in content
    assert authority.cert_pem.bytes().splitlines()[1] not in content


def test_a_private_package_is_installed_and_its_credentials_stay_out_of_image_and_cache(
    project: Project, host: str, containerd_host: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    authority = trustme.CA()
    public = Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt").read_bytes()
    bundle, netrc = tmp_path / "ca.pem", tmp_path / ".netrc"
    bundle.write_bytes(public + authority.cert_pem.bytes())
    netrc.write_text(f"machine {host} login {USER} password {PASSWORD}\n")
    package(tmp_path / "index")
    repository(tmp_path / "index")

    with private_index(tmp_path / "index", authority, host) as url:
        pyproject = project.path / "pyproject.toml"
        pyproject.write_text(
            pyproject.read_text().replace(
                "dependencies = [\n", 'dependencies = [\n  "harbour-rules",\n  "harbour-signals",\n'
            )
            + '\n[tool.uv.sources]\nharbour-rules = { index = "company" }\n'
            + f'harbour-signals = {{ git = "{url}signals.git" }}\n'
            + f'\n[[tool.uv.index]]\nname = "company"\nurl = "{url}"\nexplicit = true\nexclude-newer = false\n'
        )
        home = str(tmp_path)
        project.run("uv", "lock", "--quiet", SSL_CERT_FILE=str(bundle), GIT_SSL_CAINFO=str(bundle), HOME=home)

        bake = ["docker", "buildx", "bake", f"--allow=fs.read={tmp_path}", "prod"]
        refused = project.try_run(*bake, CA=str(bundle))
        assert refused.returncode != 0
        assert "401" in refused.stdout
        project.run(*bake, NETRC=str(netrc), CA=str(bundle))
        # An engine of this kind can also hand its cache to others, every stage of it.
        usual = project.run("docker", "context", "inspect", "--format={{.Endpoints.docker.Host}}").strip()
        kept = [f"--set=prod.cache-to=type=local,dest={cache},mode=max", "--set=prod.output=type=cacheonly"]
        allowed = f"--allow=fs.write={tmp_path}"
        project.run(*bake, allowed, *kept, NETRC=str(netrc), CA=str(bundle), DOCKER_HOST=containerd_host or usual)

    answer = project.run(
        "docker",
        "run",
        "--rm",
        "--entrypoint=python",
        f"{project.slug}:latest",
        "-c",
        "import harbour_rules as r, harbour_signals as s; print(r.RULE, s.SIGNAL)",
    )
    assert answer.strip() == "give way two long"

    project.run("docker", "save", "--output", str(tmp_path / "image.tar"), f"{project.slug}:latest")
    with tarfile.open(tmp_path / "image.tar") as image:
        for member in image.getmembers():
            content = image.extractfile(member)
            secrets_are_not_in(content.read() if content else b"", authority)
    for blob in (path for path in cache.rglob("*") if path.is_file()):
        packed = blob.read_bytes()
        secrets_are_not_in(gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed, authority)
    assert list(cache.rglob("*"))
    assert PASSWORD not in project.run("docker", "history", "--no-trunc", f"{project.slug}:latest")


def test_the_companys_authority_is_trusted_at_run_time_when_it_is_mounted(
    project: Project, host: str, tmp_path: Path
) -> None:
    project.run("uv", "lock", "--quiet")
    project.bake("prod")
    authority = trustme.CA()
    bundle = tmp_path / "ca"
    bundle.write_bytes(authority.cert_pem.bytes())
    bundle.chmod(0o444)
    call = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as answer:
    print(answer.code)
"""
    (tmp_path / "files").mkdir()
    with private_index(tmp_path / "files", authority, host) as url:
        run = ["docker", "run", "--rm", "--entrypoint=python"]
        trusting = [f"--volume={bundle}:/run/secrets/ca:ro", "--env=SSL_CERT_FILE=/run/secrets/ca"]
        assert project.run(*run, *trusting, f"{project.slug}:latest", "-c", call, url).strip() == "401"
        distrusted = project.try_run(*run, f"{project.slug}:latest", "-c", call, url)
    assert "CERTIFICATE_VERIFY_FAILED" in distrusted.stdout


def test_every_base_image_can_come_from_a_mirror(project: Project, registry: str) -> None:
    project.run("uv", "lock", "--quiet")
    dockerfile = project.text("Dockerfile")
    bases = [
        line.split("}")[1].split()[0] for line in dockerfile.splitlines() if line.startswith("FROM ${BASE_REGISTRY}")
    ]
    assert len(bases) == dockerfile.count("${BASE_REGISTRY}") >= 3
    for base in bases:
        mirrored = f"{registry}/{base}"
        project.run("docker", "tag", base, mirrored)
        project.run("docker", "push", "--quiet", mirrored)
        project.run("docker", "image", "rm", mirrored)
    printed = project.run("docker", "buildx", "bake", "prod", "distroless", BASE_REGISTRY=f"{registry}/")
    for base in bases:
        assert f"{registry}/{base}" in printed


def test_only_what_installs_packages_may_use_the_network(project: Project) -> None:
    steps = project.text("Dockerfile").split("\nRUN ")[1:]
    online = [step for step in steps if not step.startswith("--network=none")]
    installing = ("uv sync --locked", "xargs apt-get install --yes --no-install-recommends < /build-packages")
    assert all(any(command in step for command in installing) and "--offline" not in step for step in online), online
