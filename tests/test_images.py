"""The images: what is in them, what they can do, and what a build says when it cannot work."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from .conftest import ROOT, Generate, copy, release
from .project import Project, compose_up, eventually, free_port

pytestmark = pytest.mark.docker

# How a container is started when nothing is trusted to it.
CONTAINED = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"]


@pytest.fixture(scope="module")
def built(generate: Generate) -> Project:
    """A project whose images were built."""
    project = generate("towpath-test-images")
    project.run("uv", "lock", "--quiet")
    project.bake("prod", "test", "dev")
    return project


@pytest.fixture
def edited(template: Path, tmp_path: Path) -> Project:
    """A project of this test's own, to be changed."""
    project = copy(template, tmp_path, "towpath-test-edited")
    project.run("uv", "lock", "--quiet")
    return project


def give_base(project: Project, dockerfile: str) -> None:
    """Build the production image on another base, as the Dockerfile's header says."""
    (project.path / "base.Dockerfile").write_text(dockerfile)
    (project.path / "docker-bake.override.hcl").write_text(
        'target "base" {\n  dockerfile = "base.Dockerfile"\n}\n'
        'target "prod" {\n  contexts = { base = "target:base" }\n}\n'
    )


@contextmanager
def container(project: Project, *options: str, tag: str = "latest") -> Iterator[tuple[str, str]]:
    """A running container's id and address."""
    port = free_port()
    name = project.run(
        "docker", "run", "--detach", *CONTAINED, f"--publish=127.0.0.1:{port}:8000", *options, f"{project.slug}:{tag}"
    ).strip()
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        project.run("docker", "rm", "--force", "--volumes", name)


def becomes_healthy(project: Project, name: str) -> None:
    """Wait until a container's own check says so."""
    for _ in range(100):
        health = json.loads(project.run("docker", "inspect", name))[0]["State"]["Health"]["Status"]
        if health == "healthy":
            break
        time.sleep(0.1)
    assert health == "healthy"


def inside(project: Project, script: str) -> str:
    """What a Python program prints in the production image."""
    return project.run("docker", "run", "--rm", "--entrypoint=python", f"{project.slug}:latest", "-c", script)


def test_it_answers_with_a_read_only_root_and_no_capabilities(built: Project) -> None:
    with container(built) as (name, url):
        assert eventually(f"{url}/readyz").json()["status"] == "ready"
        assert httpx2.post(f"{url}/items", json={"name": "lantern"}).status_code == 201
        becomes_healthy(built, name)
        status = built.run("docker", "exec", name, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status


def test_its_user_is_a_number_and_has_a_name(built: Project) -> None:
    assert built.image()["Config"]["User"] == "10001:10001"
    assert inside(built, "import os, pwd; print(pwd.getpwuid(os.getuid()).pw_name)").strip() == "app"


def test_nothing_in_it_belongs_to_its_user_or_can_be_changed_by_it(built: Project) -> None:
    script = """
import os
for top in ("/app", "/opt", "/usr/local", "/etc"):
    for folder, folders, files in os.walk(top):
        for path in (os.path.join(folder, name) for name in folders + files):
            if not os.path.islink(path) and os.access(path, os.W_OK):
                print(path)
"""
    assert inside(built, script) == ""


def test_it_holds_what_the_service_needs_and_nothing_else(built: Project) -> None:
    script = """
import importlib.util, os, shutil
print([tool for tool in ("uv", "pip", "gcc", "cc", "make", "git", "curl") if shutil.which(tool)])
print([module for module in ("pip", "pytest", "mypy", "ensurepip", "setuptools") if importlib.util.find_spec(module)])
print(sorted(os.listdir("/app")))
"""
    tools, modules, app = inside(built, script).splitlines()
    assert (tools, modules, app) == ("[]", "[]", "['migrations', 'src']")


def test_its_labels_say_what_it_is(built: Project) -> None:
    labels = built.image()["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == built.slug
    assert labels["org.opencontainers.image.version"] == "latest"
    assert set(labels) >= {"org.opencontainers.image.revision", "org.opencontainers.image.source"}


def test_library_and_standard_library_are_compiled_and_stay_valid(built: Project) -> None:
    script = """
import importlib.util, json, pathlib, sys
import asyncio, json.decoder, fastapi.routing, sqlalchemy.orm.session
for module in ("asyncio.base_events", "json.decoder", "fastapi.routing", "sqlalchemy.orm.session"):
    cached = pathlib.Path(importlib.util.find_spec(module).cached)
    print(int.from_bytes(cached.read_bytes()[4:8], "little"))
"""
    trusted_whatever_the_times_say = "1"
    assert inside(built, script).split() == [trusted_whatever_the_times_say] * 4


def test_the_test_image_runs_the_tests_contained(built: Project) -> None:
    printed = built.run("docker", "run", "--rm", *CONTAINED, f"{built.slug}:test", timeout=900)
    assert "passed" in printed
    assert "failed" not in printed


def test_sigterm_is_obeyed_at_any_moment_of_the_start(built: Project) -> None:
    for delay in (0.05, 0.2, 0.5, 2):
        with container(built, "--env=DRAIN_SECONDS=0") as (name, _):
            time.sleep(delay)
            started = time.monotonic()
            built.run("docker", "stop", "--timeout=10", name)
            assert time.monotonic() - started < 8, f"ignored after {delay} s"
            assert json.loads(built.run("docker", "inspect", name))[0]["State"]["ExitCode"] == 0


def test_every_edit_to_the_source_is_in_the_next_build(edited: Project) -> None:
    health = edited.path / f"src/{edited.package}/health.py"
    original = health.read_text()
    for word in ("one", "two", "three"):
        health.write_text(original.replace('"alive"', f'"{word}"'))
        edited.bake("prod")
        with container(edited) as (_, url):
            assert eventually(f"{url}/livez").json() == {"status": word}


def test_a_missing_lock_stops_the_build_with_what_to_do(edited: Project) -> None:
    (edited.path / "uv.lock").unlink()
    failed = edited.try_run("docker", "buildx", "bake")
    assert failed.returncode != 0
    assert "There is no uv.lock: run 'uv lock' and commit it." in failed.stdout


def test_a_stale_lock_stops_the_build_with_what_to_do(edited: Project) -> None:
    pyproject = edited.path / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace("dependencies = [\n", 'dependencies = [\n  "idna",\n'))
    failed = edited.try_run("docker", "buildx", "bake")
    assert failed.returncode != 0
    assert "run `uv lock`" in failed.stdout


def add_package(folder: Path, name: str, project: str, build: str) -> None:
    """A package of this repository, with a file that is no Python."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nrequires-python = ">=3.11"\n{project}\n[build-system]\n{build}\n'
    )
    package = folder / "src" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "3.0"\n')
    (package / "words.txt").write_text(f"from {name}")


def native(folder: Path) -> str:
    """A source distribution that needs a compiler, and nothing of Python's: its name."""
    source = Project(folder / "native")
    (source.path / "src/native").mkdir(parents=True)
    (source.path / "src/native/__init__.py").touch()
    (source.path / "answer.c").write_text("int answer(void) { return 42; }\n")
    (source.path / "setup.py").write_text(
        "from setuptools import Extension, setup\n"
        'setup(name="native", version="1.0", ext_modules=[Extension("native.answer", ["answer.c"])])\n'
    )
    source.run("uv", "build", "--quiet", "--sdist", "--out-dir", "..")
    shutil.rmtree(source.path)
    (folder / ".gitignore").unlink(missing_ok=True)
    return "native-1.0.tar.gz"


HATCHLING = 'requires = ["hatchling"]\nbuild-backend = "hatchling.build"'
UV_BUILD = 'requires = ["uv_build>=0.9,<1"]\nbuild-backend = "uv_build"'


@pytest.fixture(scope="module")
def rich(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with all that teams add to `pyproject.toml` within a year, locked."""
    project = copy(template, tmp_path_factory.mktemp("rich"), "towpath-test-rich", database="none", cache="none")
    versioned = '[tool.hatch.version]\npath = "src/{}/__init__.py"'
    add_package(project.path / "packages/shared", "shared", 'version = "1.0"', UV_BUILD)
    add_package(
        project.path / "libs/rules", "rules", 'dynamic = ["version"]', HATCHLING + "\n" + versioned.format("rules")
    )
    package = project.path / "src" / project.package
    (package / "__init__.py").write_text('"""A service."""\n\n__version__ = "2.0"\n')
    (package / "words.txt").write_text("from the service")
    (project.path / "LICENSE").write_text("All rights reserved.\n")
    (project.path / "LICENSES").mkdir()
    (project.path / "LICENSES/other.txt").write_text("Of something else.\n")
    described = project.path / "pyproject.toml"
    text = described.read_text()
    for old, new in (
        ('version = "0.1.0"', 'dynamic = ["version"]\nreadme = "README.md"\nlicense-files = ["LICENSE", "LICENSES/*"]'),
        ("dependencies = [\n", 'dependencies = [\n  "native",\n  "shared",\n'),
        ("[dependency-groups]\ndev = [", '[dependency-groups]\ncolours = ["iniconfig"]\nchecks = ['),
        ("[project.scripts]", '[project.optional-dependencies]\nrules = ["rules"]\n\n[project.scripts]'),
        (text[text.index("[build-system]") : text.index("[tool.uv]")], f"[build-system]\n{HATCHLING}\n\n"),
        ("[tool.uv]\n", '[tool.uv]\ndefault-groups = ["checks"]\n'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    described.write_text(
        f"{text}\n{versioned.format(project.package)}\n"
        '[tool.hatch.build.targets.wheel]\npackages = ["src/towpath_test_rich"]\n'
        '[tool.uv.workspace]\nmembers = ["packages/*"]\n'
        '[tool.uv.sources]\nshared = { workspace = true }\nrules = { path = "libs/rules" }\n'
        f'native = {{ path = "wheels/{native(project.path / "wheels")}" }}\n'
        '[tool.towpath.image]\nbuild-packages = ["gcc", "libc6-dev"]\n'
        'sync-options = ["--extra=rules", "--group=colours"]\n'
    )
    project.run("uv", "sync", "--quiet")
    return project


def test_what_uv_accepts_is_in_the_image_and_nothing_that_built_it(rich: Project) -> None:
    rich.bake("prod", "test")
    script = f"""
import ctypes, importlib.metadata as metadata, importlib.resources, importlib.util, shutil
print(ctypes.CDLL(importlib.util.find_spec("native.answer").origin).answer())
for name in ("{rich.package}", "rules", "shared"):
    print(metadata.version(name), importlib.resources.read_text(name, "words.txt"))
print(metadata.metadata("{rich.package}").get_all("License-File"))
print([name for name in ("iniconfig", "pytest", "hatchling", "setuptools") if importlib.util.find_spec(name)])
print([name for name in ("gcc", "git", "uv") if shutil.which(name)])
"""
    assert inside(rich, script).splitlines() == [
        "42",
        "2.0 from the service",
        "3.0 from rules",
        "1.0 from shared",
        "['LICENSE', 'LICENSES/other.txt']",
        "['iniconfig']",
        "[]",
    ]
    tests = [
        "docker",
        "run",
        "--rm",
        *CONTAINED,
        f"{rich.slug}:test",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-k",
        "health",
    ]
    assert "passed" in rich.run(*tests)


def test_an_edit_to_a_package_beside_the_service_is_in_the_next_build(rich: Project) -> None:
    (rich.path / "packages/shared/src/shared/words.txt").write_text("edited")
    rich.bake("prod")
    words = 'import importlib.resources; print(importlib.resources.read_text("shared", "words.txt"))'
    assert inside(rich, words).strip() == "edited"


@pytest.mark.parametrize("place", ["tools/aside", "../aside"])
def test_a_package_that_the_build_cannot_see_stops_it_with_what_to_do(edited: Project, place: str) -> None:
    add_package(edited.path / place, "aside", 'version = "1.0"', UV_BUILD)
    described = edited.path / "pyproject.toml"
    text = described.read_text().replace("dependencies = [\n", 'dependencies = [\n  "aside",\n', 1)
    described.write_text(f'{text}\n[tool.uv.sources]\naside = {{ path = "{place}" }}\n')
    edited.run("uv", "lock", "--quiet")
    failed = edited.try_run("docker", "buildx", "bake")
    assert failed.returncode != 0
    assert f"{place} is not in the build: move it to" in failed.stdout


def test_only_what_is_named_gets_into_a_build(edited: Project) -> None:
    unwanted = (
        "notes.txt",
        f"src/{edited.package}/__pycache__/x.pyc",
        "tests/.env",
        "src/.venv/x",
    )
    for name in (".env", "secrets/database_password", *unwanted):
        (edited.path / name).parent.mkdir(parents=True, exist_ok=True)
        (edited.path / name).write_text("SECRET")
    listing = edited.path / "listing.Dockerfile"
    listing.write_text("FROM scratch\nCOPY . /\n")
    edited.run("docker", "build", "--quiet", "--file", str(listing), "--output", "context", ".")
    context = edited.path / "context"
    assert {path.name for path in context.iterdir()} == {
        ".env.example",
        "README.md",
        "pyproject.toml",
        "uv.lock",
        "src",
        "tests",
        "migrations",
    }
    assert not list(context.rglob("*.pyc"))


def test_a_file_that_only_its_author_may_read_can_be_read_in_the_image(edited: Project) -> None:
    for path in (edited.path / "src").rglob("*.py"):
        path.chmod(0o600)
    edited.bake("prod")
    with container(edited) as (_, url):
        eventually(f"{url}/livez")


def test_system_packages_are_in_the_image(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path, "towpath-test-packages", system_packages=["libmagic1t64", "tini"])
    project.run("uv", "lock", "--quiet")
    project.bake("prod")
    assert "tini" in inside(project, "import shutil; print(shutil.which('tini'))")
    assert inside(project, "import os; print(os.listdir('/var/lib/apt/lists'))").strip() == "[]"


def test_another_base_can_be_given_without_editing_the_dockerfile(edited: Project) -> None:
    give_base(edited, "FROM python:3.14-slim-trixie\nENV FROM_OUR_BASE=yes\n")
    edited.bake("prod")
    assert "FROM_OUR_BASE=yes" in edited.image()["Config"]["Env"]


@pytest.mark.parametrize("target", ["prod", "distroless"])
def test_two_builds_from_nothing_give_the_same_digest(edited: Project, containerd_host: str, target: str) -> None:
    environment = {"SOURCE_DATE_EPOCH": "1700000000"}
    if containerd_host:
        environment["DOCKER_HOST"] = containerd_host
    digests = []
    for name in ("first", "second"):
        archive, said = edited.path / f"{name}.tar", edited.path / f"{name}.json"
        options = ["--no-cache", "--provenance=false", f"--allow=fs.write={edited.path}", f"--metadata-file={said}"]
        output = f"--set={target}.output=type=oci,dest={archive},rewrite-timestamp=true"
        if containerd_host:
            # An engine that is there for tests can forget what it has downloaded, too.
            edited.run("docker", "builder", "prune", "--all", "--force", timeout=600, **environment)
        edited.run("docker", "buildx", "bake", *options, output, target, timeout=600, **environment)
        digests.append(json.loads(said.read_text())[target]["containerimage.digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("app_type", ["web", "microservice", "ml", "static"])
def test_the_distroless_image_of_each_type_keeps_the_contract_that_ships_with_it(
    template: Path, tmp_path: Path, app_type: str
) -> None:
    project = copy(
        template, tmp_path, f"towpath-test-distroless-{app_type}", app_type=app_type, image_base="distroless"
    )
    project.run("uv", "sync", "--quiet")
    project.lock_frontend()
    project.bake()
    assert project.try_run("docker", "run", "--rm", "--entrypoint=sh", f"{project.slug}:latest").returncode == 127
    assert "7 passed" in project.run("uv", "run", "pytest", "--quiet", ".towpath/test_image.py")


def test_an_api_and_its_worker_run_on_distroless(template: Path, tmp_path: Path) -> None:
    project = copy(template, tmp_path, "towpath-test-worker", app_type="microservice", image_base="distroless")
    project.run("uv", "lock", "--quiet")
    project.bake()
    project.make_secrets("database_password", "redis_password")
    with compose_up(project, "compose.prod.yaml", "HTTP_PORT", WORKERS="1") as stack:
        (worker,) = stack.containers("worker")
        assert worker["State"]["Health"]["Status"] == "healthy"
        assert worker["Config"]["User"] == "65532:65532"


def test_the_slim_image_keeps_the_contract_too(built: Project) -> None:
    built.run("uv", "sync", "--quiet")
    assert "7 passed" in built.run("uv", "run", "pytest", "--quiet", ".towpath/test_image.py")


def test_distroless_has_whichever_python_the_pins_name(tmp_path: Path) -> None:
    template = tmp_path / "towpath"
    for name in ("extensions", "template"):
        shutil.copytree(ROOT / name, template / name)
    shutil.copy2(ROOT / "copier.yml", template)
    pins = template / "extensions/pins.jinja"
    pins.write_text(pins.read_text().replace("{% set python = '3.14' %}", "{% set python = '3.13' %}"))
    release(template, "v1.0.0")
    project = copy(template, tmp_path, "towpath-test-python", image_base="distroless")
    project.run("uv", "lock", "--quiet")
    project.bake()
    assert inside(project, "import sys; print(sys.version_info[:2])").strip() == "(3, 13)"
    with container(project) as (_, url):
        eventually(f"{url}/readyz")


def test_an_image_that_breaks_the_contract_is_told_so(edited: Project) -> None:
    give_base(edited, "FROM python:3.14-slim-trixie\n")
    edited.bake()
    told = edited.try_run("uv", "run", "--quiet", "pytest", "--quiet", ".towpath/test_image.py")
    assert told.returncode != 0
    assert "bin/pip" in told.stdout


def test_docker_itself_and_the_linters_find_nothing(built: Project) -> None:
    assert "no warnings found" in built.run("docker", "build", "--check", ".")
    assert shutil.which("hadolint")
    built.run("hadolint", "--config", ".towpath/hadolint.yaml", "Dockerfile", ".devcontainer/Dockerfile")
    built.run("trivy", "config", "--skip-check-update", "--skip-version-check", "--exit-code=1", "--quiet", ".")
