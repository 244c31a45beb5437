"""The manifests of every combination of answers, as `kubectl` builds them: valid, contained, and pinned by digest."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..combinations import COMBINATIONS, name_of
from ..conftest import Generate, copy
from ..project import Project

OVERLAYS = "deploy/kubernetes/overlays"
# The versions that Kubernetes supports, and the one that comes.
VERSIONS = ("1.34", "1.35", "1.36", "1.37")
# What is not Kubernetes' own; the platform brings its definition.
FOREIGN = {"HTTPRoute"}
REGISTRY = "registry.example.com"
# The auditor knows only the registries of a few clouds, and no company's own. It takes the address of a database for a
# secret, because it names the user; the password is in a file.
ACCEPTED = "KSV-0125\nKSV0125\nAVD-KSV-0125\nKSV-01010\n"
DIGEST = f"sha256:{'0' * 64}"


def build(project: Project, folder: Path, overlay: str, **more: Any) -> list[dict[str, Any]]:
    """The objects of an overlay with the images of a release, as the deployment builds them."""
    release = project.path / "deploy/kubernetes" / folder.name
    release.mkdir(exist_ok=True)
    images = [
        {"name": name, "newName": f"{REGISTRY}/{name}", "digest": DIGEST}
        for name in (project.slug, f"{project.slug}-train")
    ]
    content = {"resources": [f"../overlays/{overlay}"], "images": images, **more}
    (release / "kustomization.yaml").write_text(yaml.safe_dump(content))
    return list(yaml.safe_load_all(project.run("kubectl", "kustomize", str(release))))


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def project(request: pytest.FixtureRequest, generate: Generate) -> Project:
    return generate(**request.param | {"deploy": "kubernetes"})


@pytest.fixture
def objects(project: Project, tmp_path: Path) -> list[dict[str, Any]]:
    return build(project, tmp_path, "production")


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pods that the objects make, by the kind and the name of the object."""
    found = {}
    for each in objects:
        spec = each["spec"]["jobTemplate"]["spec"] if each["kind"] == "CronJob" else each.get("spec", {})
        if "template" in spec:
            found[f"{each['kind']} {each['metadata']['name']}"] = spec["template"]
    return found


def test_every_object_is_valid_in_every_supported_version(objects: list[dict[str, Any]], project: Project) -> None:
    own = [each for each in objects if each["kind"] not in FOREIGN]
    folder = project.path.parent / "objects"
    folder.mkdir(exist_ok=True)
    files = []
    for each in own:
        file = folder / f"{each['kind']}-{each['metadata']['name']}.yaml"
        file.write_text(yaml.safe_dump(each))
        files.append(str(file))
    for version in VERSIONS:
        project.run("kubernetes-validate", "--strict", "--quiet", "-k", version, *files)


def test_the_auditor_finds_nothing(generate: Generate, tmp_path: Path) -> None:
    for answers in COMBINATIONS:
        project = generate(**answers | {"deploy": "kubernetes"})
        (tmp_path / f"{name_of(answers)}.yaml").write_text(yaml.safe_dump_all(build(project, tmp_path, "production")))
    (tmp_path / ".accepted").write_text(ACCEPTED)
    audit = ["trivy", "config", "--quiet", "--skip-check-update", "--skip-version-check", "--exit-code=1"]
    audit += [f"--ignorefile={tmp_path}/.accepted", str(tmp_path)]
    auditor = Project(tmp_path)
    auditor.run(*audit)
    one = next(tmp_path.glob("*.yaml"))
    one.write_text(one.read_text().replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"))
    assert auditor.try_run(*audit).returncode == 1


def test_images_are_named_by_digest_alone(objects: list[dict[str, Any]]) -> None:
    for name, pod in pods(objects).items():
        for container in pod["spec"]["containers"]:
            assert re.fullmatch(rf"{REGISTRY}/[\w-]+@{DIGEST}", container["image"]), name


def test_every_pod_is_known_to_the_policy_that_denies(objects: list[dict[str, Any]], project: Project) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in objects if each["kind"] == "NetworkPolicy"}
    denied = policies[project.slug]
    assert "ingress" not in denied
    assert "egress" not in denied
    assert set(denied["policyTypes"]) == {"Ingress", "Egress"}
    for name, pod in pods(objects).items():
        assert denied["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), name


def test_secrets_are_the_files_that_compose_mounts(objects: list[dict[str, Any]], project: Project) -> None:
    production = yaml.safe_load(project.text("compose.prod.yaml"))
    for name, pod in pods(objects).items():
        mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert ("/run/secrets" in mounts) == bool(production.get("secrets")), name


def test_the_grace_period_is_the_one_of_compose(objects: list[dict[str, Any]], project: Project) -> None:
    production = yaml.safe_load(project.text("compose.prod.yaml"))["services"]
    for name, pod in pods(objects).items():
        service = production[pod["metadata"]["labels"]["app.kubernetes.io/component"]]
        grace = service.get("stop_grace_period", "30s")
        assert grace == f"{pod['spec']['terminationGracePeriodSeconds']}s", name


def test_a_team_owns_at_most_sixty_lines(project: Project) -> None:
    owned = [path for path in project.rendered if path.startswith(OVERLAYS)]
    assert len(owned) == 2
    assert sum(len(project.text(path).splitlines()) for path in owned) <= 60


def test_an_ingress_takes_the_place_of_the_route(generate: Generate, tmp_path: Path) -> None:
    objects = build(generate(deploy="kubernetes"), tmp_path, "staging", components=["../components/ingress"])
    kinds = {each["kind"] for each in objects}
    assert "Ingress" in kinds
    assert "HTTPRoute" not in kinds


def test_a_project_without_it_has_not_a_file_of_it(template: Path, tmp_path: Path) -> None:
    assert not (copy(template, tmp_path).path / "deploy").exists()
