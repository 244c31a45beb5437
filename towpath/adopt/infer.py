"""The answers that an existing repository suggests, each with the evidence for it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .existing import SIGNS, Existing, Stage, final_stages


@dataclass(frozen=True)
class Proposal:
    """An answer to one of the template's questions.

    Attributes:
        answer: The question's name.
        value: What adoption would answer.
        because: The evidence, as the rest of a sentence that begins with "because".
    """

    answer: str
    value: Any
    because: str


def infer(existing: Existing) -> list[Proposal]:
    """Propose an answer to each question that a repository says something about.

    What it cannot know, such as a description where none is written, gets no proposal: the template's default or a
    person answers it. Some of the questions are asked of some types alone; the template itself leaves out the others.
    """
    packages = _system_packages(existing)
    proposals = [
        _name(existing),
        _description(existing),
        _app_type(existing),
        _database(existing),
        _cache(existing),
        _accelerator(existing),
        _image_base(existing, packages.value),
        packages,
        _ci(existing),
        _deploy(existing),
    ]
    return [proposal for proposal in proposals if proposal]


def _depends(existing: Existing, names: Iterable[str]) -> str | None:
    """How to say that it depends on one of these packages."""
    for name in names:
        if file := existing.dependencies.get(name):
            return f"{file} depends on {name}"
    return None


def _runs(existing: Existing, names: Iterable[str]) -> str | None:
    """How to say that a Compose file runs an image of one of these names."""
    for image, path in existing.images:
        if re.split(r"[:@]", image)[0] in names:
            return f"{path} runs {image}"
    return None


def _name(existing: Existing) -> Proposal:
    if name := existing.project.get("name"):
        return Proposal("project_name", str(name), "pyproject.toml names it so")
    if name := existing.setup.get("name"):
        return Proposal(
            "project_name", str(name), f"{'setup.cfg' if 'setup.cfg' in existing.files else 'setup.py'} names it so"
        )
    addresses = [] if existing.subfolder else [remote for remote in existing.remotes if ":" in remote]
    for remote in addresses:
        if name := re.split(r"[/:]", remote.rstrip("/").removesuffix(".git"))[-1]:
            return Proposal("project_name", name, f"it is {remote_without_secrets(remote)}")
    return Proposal("project_name", existing.folder, "its folder is called so")


def _description(existing: Existing) -> Proposal | None:
    for said, file in ((existing.project, "pyproject.toml"), (existing.setup, "setup.cfg or setup.py")):
        if text := " ".join(str(said.get("description", "")).split()):
            return Proposal("description", text[:200], f"{file} describes it so")
    readme = next((path for path in existing.files if re.fullmatch(r"(?i)readme\.(md|rst|txt)", path)), None)
    # Further down it is about something else.
    for paragraph in re.split(r"\n\s*\n", existing.files.get(readme or "", ""))[:6]:
        text = " ".join(paragraph.split())
        if re.match(r"[A-Z0-9][^\[\]<>|`=*]{20,}$", text) and not re.search(r"^[=~-]{3,}$", paragraph, re.MULTILINE):
            return Proposal("description", re.split(r"(?<=[.!?])\s", text)[0][:200], f"{readme} begins so")
    return None


def _app_type(existing: Existing) -> Proposal:
    if found := _depends(existing, SIGNS["models"]):
        return Proposal("app_type", "ml", found)
    if found := _depends(existing, SIGNS["queues"]):
        return Proposal("app_type", "microservice", f"{found}, so a worker does part of its work")
    vite = existing.mentions(r'"vite"\s*:', r"(^|/)package\.json$")
    if vite:
        return Proposal("app_type", "static", f"{vite} builds a front end with Vite")
    page = next(
        (path for path in sorted(existing.files) if re.search(r"(^|/)templates/.*\.(html|jinja|j2)$", path)), None
    )
    if page:
        return Proposal("app_type", "static", f"it renders pages, such as {page}")
    return Proposal("app_type", "web", "nothing here renders pages, works off a queue or loads a model")


def _accelerator(existing: Existing) -> Proposal:
    for path, dockerfile in existing.dockerfiles.items():
        for stage in final_stages(dockerfile):
            if "cuda" in stage.base:
                return Proposal("accelerator", "cuda", f"{path} builds on {stage.base}")
    if found := _depends(existing, SIGNS["gpu"]):
        return Proposal("accelerator", "cuda", found)
    if file := existing.mentions(r"driver:\s*nvidia|runtime:\s*nvidia", r"compose[\w.-]*\.ya?ml$"):
        return Proposal("accelerator", "cuda", f"{file} reserves an NVIDIA GPU")
    return Proposal("accelerator", "cpu", "nothing here asks for a GPU")


def _database(existing: Existing) -> Proposal:
    if found := _depends(existing, SIGNS["postgresql"]):
        return Proposal("database", "postgresql", found)
    if found := _runs(existing, SIGNS["postgresql_images"]):
        return Proposal("database", "postgresql", found)
    if path := existing.mentions(
        r"django\.db\.backends\.postgresql|postgres(ql)?(\+\w+)?://",
        r"\.(py|ini|toml|env\.example)$|compose[\w.-]*\.ya?ml$",
    ):
        return Proposal("database", "postgresql", f"{path} connects to PostgreSQL")
    if found := _depends(existing, SIGNS["other_databases"]):
        return Proposal("database", "none", f"{found}, a database that Towpath does not run")
    return Proposal("database", "none", "nothing here uses PostgreSQL")


def _cache(existing: Existing) -> Proposal:
    if found := _depends(existing, SIGNS["redis"]):
        return Proposal("cache", "redis", found)
    if found := _runs(existing, SIGNS["redis_images"]):
        return Proposal("cache", "redis", found)
    return Proposal("cache", "none", "nothing here uses Redis")


def _service_image(existing: Existing) -> tuple[str, list[Stage]] | None:
    """The Dockerfile that installs Python packages, or else the first, and the stages that end up in its image."""
    files = {path: text for path, text in existing.dockerfiles.items() if not path.startswith(".devcontainer/")}
    python = (path for path in files if re.search(r"\b(pip|uv|poetry|pipenv|pdm)\b", existing.files[path]))
    path = next(python, next(iter(files), None))
    return (path, chain) if path and (chain := final_stages(files[path])) else None


def _image_base(existing: Existing, packages: list[str]) -> Proposal:
    if not (image := _service_image(existing)):
        return Proposal("image_base", "slim", "no Dockerfile says otherwise")
    path, chain = image
    base = chain[-1].base
    if not re.search(r"distroless|chainguard|^scratch$", base):
        return Proposal("image_base", "slim", f"{path} builds on {base}")
    if packages:
        return Proposal("image_base", "slim", f"{path} also installs Debian packages")
    return Proposal("image_base", "distroless", f"{path} builds on {base}")


def _system_packages(existing: Existing) -> Proposal:
    path, chain = _service_image(existing) or ("", [])
    runs = [i.value for stage in reversed(chain) for i in stage.instructions if i.name == "RUN"]
    installed = [
        word.partition("=")[0]
        for run in runs
        for command in re.split(r"&&|;|\|\|", re.sub(r"`#[^`]*`", "", run))
        if (match := re.search(r"\b(?:apt-get|apt)\b(?:\s+-\S+)*\s+install\b(.*)", command))
        for word in match[1].split()
        if re.fullmatch(r"[a-z0-9][a-z0-9+.-]+(=\S+)?", word)
    ]
    needed = [
        name for name in dict.fromkeys(installed) if name not in SIGNS["build_only"] and not name.endswith("-dev")
    ]
    left_out = ", ".join(sorted(set(installed) - set(needed)))
    if needed:
        aside = f"; {left_out} left out, as builds need them" if left_out else ""
        return Proposal("system_packages", needed, f"{path} installs them{aside}")
    if left_out:
        return Proposal("system_packages", [], f"{path} installs only what builds need: {left_out}")
    if any(re.search(r"\bapk\s+add\b|\b(micro)?dnf\s+install\b|\byum\s+install\b", run) for run in runs):
        return Proposal("system_packages", [], f"{path} installs packages that are not Debian's: name theirs in Debian")
    return Proposal("system_packages", [], "no Dockerfile installs any")


def _ci(existing: Existing) -> Proposal:
    if existing.subfolder:
        return Proposal("ci", [], "it is a folder of a larger repository, and forges read pipelines at the root alone")
    workflow = next(
        (path for path in sorted(existing.files) if re.fullmatch(r"\.github/workflows/.+\.ya?ml", path)), None
    )
    evidence = {
        "github": f"{workflow} is there" if workflow else None,
        "gitlab": ".gitlab-ci.yml is there" if ".gitlab-ci.yml" in existing.files else None,
    }
    if not any(evidence.values()):
        for remote in existing.remotes:
            host = re.sub(r"^\w+://|^[^/@]*@", "", remote).rpartition("@")[2].partition("/")[0]
            if forge := next((name for name in evidence if name in host.lower()), ""):
                evidence[forge] = f"it is {remote_without_secrets(remote)}"
                break
    forges = [name for name, found in evidence.items() if found]
    if not forges:
        return Proposal("ci", [], "neither pipelines nor a remote tell of a forge")
    return Proposal("ci", forges, " and ".join(found for found in evidence.values() if found))


def _deploy(existing: Existing) -> Proposal:
    pipelines = r"^\.gitlab-ci\.yml$|^\.github/workflows/|(^|/)deploy[\w-]*(\.sh)?$|^Makefile$"
    if path := existing.mentions(r"(ssh|scp|rsync|DOCKER_HOST=)[\s\S]*docker[ -]compose", pipelines):
        return Proposal("deploy", "compose", f"{path} runs Compose on a host over SSH")
    return Proposal("deploy", "none", "nothing here deploys with Compose over SSH")


def remote_without_secrets(remote: str) -> str:
    """A remote's address without a user or password in it."""
    return re.sub(r"^(\w+://)[^/@]*@", r"\1", remote)
