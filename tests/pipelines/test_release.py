"""A release on both forges, as far as this machine allows: built, tested, pushed, joined, signed, tagged, deployed.

Stood in for: the builder in a container of its own, whose image cannot be had everywhere (the engine's builder cannot
push by digest, so each build is pushed under a tag and used by its digest); the generator of the SBOM; the scanner and
its database; the image that cosign comes from; the runner of the other architecture; keyless signing, which needs
public services.
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

from ..conftest import ROOT, Generate, skip_unless_ci
from ..hosts import Host, site_of
from ..project import Project, eventually
from . import github, gitlab
from .conftest import lock
from .github import ARCHITECTURE
from .steps import Job

GENERATOR = str(re.search(r"'sbom': '(.*)'", (ROOT / "extensions/pins.jinja").read_text())[1])  # type: ignore[index]
PROVENANCE = "--attest=type=provenance,mode=max,version=v1"

DOCKER = """\
#!/usr/bin/env python3
import os, sys
arguments = sys.argv[1:]
if arguments[:2] == ["buildx", "create"]:
    print("default")
elif arguments[0] == "cp" or (arguments[0] == "create" and "cosign" in arguments[1]):
    print("cosign")
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


@pytest.fixture(scope="module")
def project(generate: Generate) -> Project:
    """A service that is released and deployed by either forge."""
    project = generate("towpath-ci-release", ci=["github", "gitlab"], deploy="compose")
    lock(project)
    return project


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


@pytest.mark.parametrize(
    ("says", "answer"), [("latest: not found", False), ("429 Too Many Requests", subprocess.CalledProcessError)]
)
def test_a_tag_moves_only_where_the_registry_says_what_is_there(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, answer: bool | type[Exception]
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho 'ERROR: {says}' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    if answer is False:
        assert release.newer("registry.example.com/service:latest", "1.2.3") is False
    else:
        with pytest.raises(subprocess.CalledProcessError):
            release.newer("registry.example.com/service:latest", "1.2.3")


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A pair of keys, as variables of a pipeline."""
    if not shutil.which("cosign"):
        skip_unless_ci("needs cosign")
    monkeypatch.setenv("COSIGN_PASSWORD", "a password")
    subprocess.run(["cosign", "generate-key-pair"], cwd=tmp_path, check=True, capture_output=True)
    return {
        "COSIGN_PASSWORD": "a password",
        "COSIGN_PRIVATE_KEY": (tmp_path / "cosign.key").read_text(),
        "COSIGN_PUBLIC_KEY": (tmp_path / "cosign.pub").read_text(),
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
    for name in ("*/*/towpath-ci-release*", "towpath-ci-release*"):
        for image in set(machine.run("docker", "images", "--quiet", name).split()):
            machine.run("docker", "image", "rm", "--force", image)


def push_other_architecture(machine: Project, repository: str, *options: str) -> str:
    """Push what the runner of the other architecture would push; return its digest."""
    other = "amd64" if ARCHITECTURE == "arm64" else "arm64"
    folder = machine.path / "other"
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    said = folder / "said.json"
    command = ["docker", "buildx", "build", f"--platform=linux/{other}", f"--tag={repository}:other", "--push"]
    machine.run(*command, f"--metadata-file={said}", *options, str(folder))
    return str(json.loads(said.read_text())["containerimage.digest"])


class OnGitHub:
    """Makes releases of a project on GitHub.

    Attributes:
        repository: What images are called without their tag.
        digests: Where the jobs that build leave what they pushed.
    """

    def __init__(self, project: Project, folder: Path, registry: str, variables: dict[str, str]) -> None:
        # The registry of this machine in place of GitHub's.
        workflow = project.path / ".github/workflows/release.yml"
        workflow.write_text(workflow.read_text().replace("ghcr.io", registry))
        project.commit("Use a registry of this machine")
        contexts = {
            "github.ref_type": "tag",
            "github.repository": f"Team/{project.slug}",
            "github.sha": project.git("rev-parse", "HEAD").strip(),
            "github.server_url": "https://github.com",
            "github.event.repository.visibility": "private",
            "github.actor": variables["REGISTRY_USER"],
            "github.token": variables["REGISTRY_TOKEN"],
        }
        for name, value in variables.items():
            contexts |= {f"vars.{name}": value, f"secrets.{name}": value}
        self.runner = github.Runner(project, folder, contexts)
        self.repository = f"{registry}/team/{project.slug}"
        self.digests = folder / "artifacts"

    def run(self, job: str, tag: str) -> Job:
        """One job of the release of a tag."""
        self.runner.contexts["github.ref_name"] = tag
        return self.runner.run("release", job)[job]

    @property
    def released(self) -> str:
        """The image that the job `publish` hands on to `deploy`."""
        return self.runner.contexts["needs.publish.outputs.IMAGE"]

    @released.setter
    def released(self, image: str) -> None:
        self.runner.contexts["needs.publish.outputs.IMAGE"] = image


class OnGitLab:
    """Makes releases of a project on GitLab; see `OnGitHub`."""

    def __init__(
        self, project: Project, folder: Path, registry: str, variables: dict[str, str], gitlab_ci_local: list[str]
    ) -> None:
        self.variables = variables | {
            "CI_REGISTRY": registry,
            "CI_REGISTRY_IMAGE": f"{registry}/group",
            "CI_REGISTRY_USER": variables["REGISTRY_USER"],
            "CI_REGISTRY_PASSWORD": variables["REGISTRY_TOKEN"],
            "CI_PROJECT_URL": f"https://gitlab.example.com/group/{project.slug}",
            "CI_PROJECT_VISIBILITY": "internal",
            "CI_SERVER_URL": "https://gitlab.example.com",
        }
        self.runner = gitlab.Runner(project, folder, gitlab_ci_local)
        self.repository = f"{registry}/group/{project.slug}"
        self.digests = self.runner.workspace / "digests"
        self.handed_on = folder / "state/artifacts/publish/.gitlab-ci-reports/dotenv/release.env"

    def run(self, job: str, tag: str) -> Job:
        name = f"release-{ARCHITECTURE}" if job == "release" else job
        return self.runner.run(name, **self.variables, CI_COMMIT_TAG=tag)[name]

    @property
    def released(self) -> str:
        return self.handed_on.read_text().strip().removeprefix("IMAGE=")

    @released.setter
    def released(self, image: str) -> None:
        self.handed_on.write_text(f"IMAGE={image}\n")


# Nothing else has to do with its containers, so it need not wait for the others.
@pytest.mark.xdist_group("release")
@pytest.mark.docker
@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_a_tag_becomes_an_image_by_digest_attested_signed_checked_and_deployed(
    kind: str,
    request: pytest.FixtureRequest,
    project: Project,
    engine: Project,
    registry: str,
    cosign: dict[str, str],
    host: Host,
    tmp_path: Path,
) -> None:
    source = Project(tmp_path / "source" / project.slug)
    engine.git("clone", "--quiet", "--no-local", str(project.path), str(source.path))
    (tmp_path / "runner").mkdir()
    with site_of(source, host, registry) as site:
        variables = site.variables | cosign
        forge = (
            OnGitHub(source, tmp_path / "runner", registry, variables)
            if kind == "github"
            else OnGitLab(source, tmp_path / "runner", registry, variables, request.getfixturevalue("gitlab_ci_local"))
        )
        repository = forge.repository
        built = forge.run("release", "v1.2.3")
        assert built.passed, built.last.output[-4000:]
        assert built.last.command.startswith("docker run"), "without a scan"
        ((own, pushed),) = [(path, json.loads(path.read_text())[repository]) for path in forge.digests.rglob("*.json")]

        def publish(tag: str) -> Job:
            return forge.run("publish", tag)

        other = own.with_name("other.json")
        digest = push_other_architecture(engine, repository, "--provenance=false")
        other.write_text(json.dumps({repository: digest}))
        refused = publish("v1.2.3")
        assert refused.failed
        assert "lacks" in refused.last.output
        assert tags(repository) & {"1.2", "1", "latest"} == set(), "a tag moved to what was refused"

        digest = push_other_architecture(engine, repository, PROVENANCE, f"--sbom=generator={GENERATOR}")
        other.write_text(json.dumps({repository: digest}))
        published = publish("v1.2.3")
        assert published.passed, published.last.output[-4000:]
        assert {"1.2.3", "1.2", "1", "latest"} <= tags(repository)

        released = forge.released
        assert released.startswith(f"{repository}@sha256:")
        assert set(inspect(engine, released, "Image")) == {"linux/amd64", "linux/arm64"}
        packages = inspect(engine, released, "SBOM")[f"linux/{ARCHITECTURE}"]["SPDX"]["packages"]
        assert any(package["name"].startswith("fastapi-") for package in packages)
        provenance = inspect(engine, released, "Provenance")[f"linux/{ARCHITECTURE}"]["SLSA"]["buildDefinition"]
        assert provenance["externalParameters"]["request"]["args"]["label:org.opencontainers.image.version"] == "1.2.3"
        assert provenance["internalParameters"]["buildConfig"], "provenance without its maximum"

        for image, reason in {
            f"{repository}@{pushed}": "no signatures found",
            f"{repository}:1.2.3": "not named by its digest",
        }.items():
            forge.released = image
            stopped = forge.run("deploy", "v1.2.3")
            assert stopped.failed
            assert stopped.last.command == "uv run --no-project .towpath/release.py check"
            assert reason in stopped.last.output
        assert not site.containers()
        forge.released = released
        deployed = forge.run("deploy", "v1.2.3")
        assert deployed.passed, deployed.last.output[-4000:]
        assert eventually(f"{site.url}/livez").json() == {"status": "alive"}
        assert {each["Config"]["Image"] for each in site.containers("app").values()} == {released}
        outputs = "".join(step.output for job in (built, published, deployed) for step in job.steps)
        assert not [secret for secret in site.secrets if secret in outputs]
        assert "2 images with SBOM and provenance, signature: key" in "".join(step.output for step in deployed.steps)

        # Published again it is what it was, and never something else.
        assert publish("v1.2.3").passed
        digest = push_other_architecture(engine, repository, PROVENANCE, f"--sbom=generator={GENERATOR}")
        other.write_text(json.dumps({repository: digest}))
        changed = publish("v1.2.3")
        assert changed.failed
        assert "released already" in changed.last.output
        assert inspect(engine, f"{repository}:1.2.3", "Manifest")["digest"] == released.partition("@")[2]

        # A fix of an older line leaves the newer one's tags where they are.
        older = publish("v1.1.9")
        assert older.passed, older.last.output[-4000:]
        assert "1.1" in tags(repository)
        assert ":latest" not in older.last.output


def inspect(machine: Project, reference: str, what: str) -> Any:
    """What a registry holds beside an image, by platform."""
    return json.loads(
        machine.run("docker", "buildx", "imagetools", "inspect", reference, f"--format={{{{json .{what}}}}}")
    )


def tags(repository: str) -> set[str]:
    """The tags of an image that are not signatures."""
    registry, _, name = repository.partition("/")
    found = httpx2.get(f"http://{registry}/v2/{name}/tags/list").json()["tags"]
    return {tag for tag in found if not tag.startswith("sha256-")}
