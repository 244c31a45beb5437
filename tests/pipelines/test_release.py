"""A release, made as far as this machine allows: built, tested and pushed, joined, signed with a key, checked, tagged.

Stood in for: the builder in a container of its own, whose image cannot be had everywhere (the engine's builder cannot
push by digest, so each build is pushed under a tag and used by its digest); the generator of the SBOM; the scanner and
its database; the runner of the other architecture; keyless signing, which needs public services.
"""

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from ..conftest import ROOT, skip_unless_ci
from ..project import Project
from . import github, gitlab
from .steps import Step

GENERATOR = str(re.search(r"'sbom': '(.*)'", (ROOT / "extensions/pins.jinja").read_text())[1])  # type: ignore[index]
PROVENANCE = "--attest=type=provenance,mode=max,version=v1"

DOCKER = """\
#!/usr/bin/env python3
import os, sys
arguments = sys.argv[1:]
if arguments[:2] == ["buildx", "create"]:
    print("default")
elif arguments[:2] != ["buildx", "rm"] and not any("/trivy:" in argument for argument in arguments):
    if arguments[:2] == ["buildx", "bake"]:
        for own in ("push-by-digest=true,name-canonical=true,", ",rewrite-timestamp=true"):
            arguments = [argument.replace(own, "") for argument in arguments]
        arguments = [f"{argument}:pushed" if ".tags=" in argument else argument for argument in arguments]
    os.execv(REAL, [REAL, *arguments])
"""

SBOM_GENERATOR = """\
import json, os, pathlib
found = pathlib.Path(os.environ["BUILDKIT_SCAN_SOURCE"]).rglob("*.dist-info")
packages = [{"name": path.name, "SPDXID": "SPDXRef-" + path.name, "downloadLocation": "NOASSERTION"} for path in found]
predicate = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "image", "packages": packages}
statement = {"predicateType": "https://spdx.dev/Document", "predicate": predicate}
pathlib.Path(os.environ["BUILDKIT_SCAN_DESTINATION"], "sbom.spdx.json").write_text(json.dumps(statement))
"""


@pytest.fixture
def release(project: Project) -> ModuleType:
    """The script, to be asked for its rules."""
    spec = importlib.util.spec_from_file_location("release", project.path / ".towpath/release.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("tag", "version", "moving"),
    [
        ("v1.2.3", "1.2.3", ["1.2", "1", "latest"]),
        ("v0.4.1", "0.4.1", ["0.4", "latest"]),
        ("v2.0.0-rc.1", "2.0.0-rc.1", []),
    ],
)
def test_tags_follow_from_the_version(release: ModuleType, tag: str, version: str, moving: list[str]) -> None:
    assert release.version_of(tag) == (version, moving)


@pytest.mark.parametrize("tag", ["v1.2", "v01.2.3", "v1.2.3+build", "vnext"])
def test_a_tag_that_is_no_version_releases_nothing(release: ModuleType, tag: str) -> None:
    with pytest.raises(release.ReleaseError, match="not a version"):
        release.version_of(tag)


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({"VISIBILITY": "public", "ISSUER": "https://token.actions.githubusercontent.com"}, "keyless"),
        ({"VISIBILITY": "private", "ISSUER": "https://token.actions.githubusercontent.com"}, "none"),
        ({"VISIBILITY": "public", "ISSUER": "https://gitlab.com"}, "keyless"),
        ({"VISIBILITY": "public", "ISSUER": "https://gitlab.example.com"}, "none"),
        ({"VISIBILITY": "private", "COSIGN_PRIVATE_KEY": "key"}, "key"),
        ({"VISIBILITY": "private", "ISSUER": "https://gitlab.com", "SIGNING": "keyless"}, "keyless"),
        ({"VISIBILITY": "public", "ISSUER": "https://gitlab.com", "SIGNING": "none"}, "none"),
    ],
)
def test_where_no_public_service_may_attest_the_release_says_so_and_goes_on(
    release: ModuleType, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], mode: str
) -> None:
    for name in ("SIGNING", "VISIBILITY", "ISSUER", "COSIGN_PRIVATE_KEY", "COSIGN_PUBLIC_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert release.signing() == mode


def test_gitlab_gives_the_release_what_it_reads(project: Project, tmp_path: Path, gitlab_ci_local: list[str]) -> None:
    runner = gitlab.Runner(project, tmp_path, gitlab_ci_local)
    for name, script in (("uv", "env >&2"), ("docker", "exit 0")):
        (tmp_path / "tools" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "tools" / name).chmod(0o755)
    printed = runner.call(
        "publish",
        CI_COMMIT_TAG="v1.2.3",
        CI_COMMIT_BRANCH=None,
        CI_REGISTRY="registry.example.com",
        CI_REGISTRY_IMAGE="registry.example.com/group/service",
        CI_REGISTRY_USER="robot",
        CI_REGISTRY_PASSWORD="token",
        CI_PROJECT_URL="https://gitlab.example.com/group/service",
        CI_PROJECT_VISIBILITY="internal",
        CI_SERVER_URL="https://gitlab.example.com",
    ).stdout
    for expected in (
        f"REPOSITORY=registry.example.com/group/service/{project.slug}",
        "VERSION=v1.2.3",
        "REGISTRY_TOKEN=token",
        "VISIBILITY=internal",
        "SIGNER=https://gitlab.example.com/group/service//.gitlab-ci.yml@refs/tags/v1.2.3",
        "ISSUER=https://gitlab.example.com",
    ):
        assert f"> {expected}\n" in printed, printed[-3000:]


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A pair of keys, as variables and secrets of a repository."""
    if not shutil.which("cosign"):
        skip_unless_ci("needs cosign")
    monkeypatch.setenv("COSIGN_PASSWORD", "a password")
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, check=True, capture_output=True)
    return {
        "secrets.COSIGN_PASSWORD": "a password",
        "secrets.COSIGN_PRIVATE_KEY": (tmp_path / "cosign.key").read_text(),
        "vars.COSIGN_PUBLIC_KEY": (tmp_path / "cosign.pub").read_text(),
    }


@pytest.fixture
def engine(containerd_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An engine that can attest, and a `docker` that stands in for what cannot be had here."""
    if containerd_host:
        monkeypatch.setenv("DOCKER_HOST", containerd_host)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER.replace("REAL", repr(shutil.which("docker"))))
    (tools / "docker").chmod(0o755)
    machine = Project(tmp_path)
    (tools / "Dockerfile").write_text(
        'FROM python:3.14-slim-trixie\nCOPY scan.py /\nENTRYPOINT ["python", "/scan.py"]\n'
    )
    (tools / "scan.py").write_text(SBOM_GENERATOR)
    machine.run("docker", "build", "--quiet", f"--tag={GENERATOR}", str(tools))
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    yield machine
    machine.run("docker", "image", "rm", "--force", GENERATOR)
    for name in ("*/team/towpath-ci-web*", "towpath-ci-web*"):
        for image in set(machine.run("docker", "images", "--quiet", name).split()):
            machine.run("docker", "image", "rm", "--force", image)


def push_other_architecture(machine: Project, repository: str, *options: str) -> str:
    """Push what the runner of the other architecture would push; return its digest."""
    other = "amd64" if platform.machine() == "aarch64" else "arm64"
    folder = machine.path / "other"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    said = folder / "said.json"
    command = ["docker", "buildx", "build", f"--platform=linux/{other}", f"--tag={repository}:other", "--push"]
    machine.run(*command, f"--metadata-file={said}", *options, str(folder))
    return str(json.loads(said.read_text())["containerimage.digest"])


@pytest.mark.docker
def test_a_release_is_pushed_by_digest_attested_signed_and_checked(
    project: Project, engine: Project, registry: str, cosign: dict[str, str], tmp_path: Path
) -> None:
    contexts = {
        **cosign,
        "github.ref_type": "tag",
        "github.ref_name": "v1.2.3",
        "github.repository": "Team/towpath-ci-web",
        "github.sha": project.git("rev-parse", "HEAD").strip(),
        "github.server_url": "https://github.com",
        "github.event.repository.visibility": "private",
    }
    local = project.path.parent / "release"
    # The registry of this machine in place of GitHub's.
    Project(tmp_path).git("clone", "--quiet", "--no-local", str(project.path), str(local))
    workflow = local / ".github/workflows/release.yml"
    workflow.write_text(workflow.read_text().replace("ghcr.io", registry))
    Project(local).commit("Use a registry of this machine")
    runner = github.Runner(Project(local), tmp_path, contexts)
    repository = f"{registry}/team/towpath-ci-web"

    built = runner.run("release", "release")["release"]
    assert built.passed, built.last.output[-4000:]
    assert [step.command.split()[0:2] for step in built.steps][-1] == ["docker", "run"], "without a scan"
    pushed = json.loads(next((tmp_path / "release/digests").glob("*.json")).read_text())[repository]

    def publish() -> Step:
        shutil.rmtree(tmp_path / "publish", ignore_errors=True)
        return runner.run("release", "publish")["publish"].last

    artifact = tmp_path / "artifacts/digests-other"
    artifact.mkdir()
    digest = push_other_architecture(engine, repository, "--provenance=false")
    (artifact / "other.json").write_text(json.dumps({repository: digest}))
    refused = publish()
    assert refused.code
    assert "lacks" in refused.output
    assert tags(registry) & {"1.2", "1", "latest"} == set(), "a tag moved to what was refused"

    digest = push_other_architecture(engine, repository, PROVENANCE, f"--sbom=generator={GENERATOR}")
    (artifact / "other.json").write_text(json.dumps({repository: digest}))
    published = publish()
    assert published.code == 0, published.output[-4000:]
    assert {"1.2.3", "1.2", "1", "latest"} <= tags(registry)

    released = runner.contexts["needs.publish.outputs.IMAGE"]
    assert released.startswith(f"{repository}@sha256:")
    index = inspect(engine, released, "Image")
    assert set(index) == {"linux/amd64", "linux/arm64"}
    own = f"linux/{runner.architecture}"
    packages = inspect(engine, released, "SBOM")[own]["SPDX"]["packages"]
    assert any(package["name"].startswith("fastapi-") for package in packages)
    definition = inspect(engine, released, "Provenance")[own]["SLSA"]["buildDefinition"]
    assert definition["externalParameters"]["request"]["args"]["label:org.opencontainers.image.version"] == "1.2.3"
    assert definition["internalParameters"]["buildConfig"], "provenance without its maximum"

    def check(image: str) -> Step:
        environment = {
            **os.environ,
            "IMAGE": image,
            "COSIGN_PUBLIC_KEY": cosign["vars.COSIGN_PUBLIC_KEY"],
        }
        return github.shell("uv run --no-project .towpath/release.py check", project.path, environment)

    good = check(released)
    assert good.code == 0, good.output
    assert "2 images with SBOM and provenance, signature: key" in good.output
    assert check(f"{repository}@{pushed}").code, "what nobody signed passed"
    by_tag = check(f"{repository}:1.2.3")
    assert by_tag.code
    assert "not named by its digest" in by_tag.output

    # A fix of an older line leaves the newer one's tags where they are.
    runner.contexts["github.ref_name"] = "v1.1.9"
    older = publish()
    assert older.code == 0, older.output[-4000:]
    assert "1.1" in tags(registry)
    assert ":latest" not in older.output


def inspect(machine: Project, reference: str, what: str) -> Any:
    """What a registry holds beside an image, by platform."""
    return json.loads(
        machine.run("docker", "buildx", "imagetools", "inspect", reference, f"--format={{{{json .{what}}}}}")
    )


def tags(registry: str) -> set[str]:
    """The tags in a registry that are not signatures."""
    found = httpx2.get(f"http://{registry}/v2/team/towpath-ci-web/tags/list").json()["tags"]
    return {tag for tag in found if not tag.startswith("sha256-")}
