"""What an existing repository says about itself, read from its files alone."""

import ast
import configparser
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

SIGNS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("signs.toml").read_text())
COMPOSE_FILE = re.compile(r"(docker-)?compose(\.[\w.-]+)?\.ya?ml")
DEVELOPMENT = re.compile(r"(^|[^a-z])(dev|develop|development|tests?|testing|docs?|lint|ci)([^a-z]|$)")


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, such as `RUN` with all it runs, on one line."""

    name: str
    value: str


@dataclass(frozen=True)
class Existing:
    """A repository that no template made.

    Attributes:
        files: Every path that git has, with the text of those files that tell something; others map to "".
        folder: The name of its folder.
        remotes: The addresses that it is fetched from.
        subfolder: Whether it is a folder of a larger repository.
    """

    files: Mapping[str, str]
    folder: str
    remotes: tuple[str, ...] = ()
    subfolder: bool = False

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """pyproject.toml, or nothing where there is none that can be read."""
        return toml(self.files.get("pyproject.toml", ""))

    @property
    def project(self) -> dict[str, Any]:
        """The table `[project]`, with what Poetry's own table says where it says nothing."""
        return {**table(self.pyproject, "tool", "poetry"), **table(self.pyproject, "project")}

    @cached_property
    def setup(self) -> dict[str, Any]:
        """What setup.cfg and the literal arguments in setup.py say."""
        found: dict[str, Any] = {}
        try:
            for node in ast.walk(ast.parse(self.files.get("setup.py", ""))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "setup":
                    for keyword in node.keywords:
                        try:
                            found[keyword.arg or ""] = ast.literal_eval(keyword.value)
                        except ValueError:
                            continue
        except SyntaxError:
            pass
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(self.files.get("setup.cfg", ""))
        except configparser.Error:
            return found
        for section in ("metadata", "options"):
            if parser.has_section(section):
                found |= dict(parser[section])
        return found

    @cached_property
    def dependencies(self) -> dict[str, str]:
        """The packages it needs at run time, by normalised name, and the file that says so."""
        found: dict[str, str] = {}
        for file, line in self._requirements():
            try:
                found.setdefault(canonicalize_name(Requirement(line).name), file)
            except InvalidRequirement:
                continue
        return found

    def _requirements(self) -> Iterator[tuple[str, str]]:
        project = table(self.pyproject, "project")
        groups = [project.get("dependencies")]
        groups += [lines for name, lines in table(project, "optional-dependencies").items() if not is_development(name)]
        for lines in groups:
            yield from (("pyproject.toml", str(line)) for line in (lines if isinstance(lines, list) else []))
        for name in table(self.pyproject, "tool", "poetry", "dependencies"):
            yield "pyproject.toml", name
        for path, text in self.files.items():
            if re.fullmatch(
                r"requirements[\w.-]*\.(txt|in)|requirements/[\w.-]+\.(txt|in)", path
            ) and not is_development(path):
                yield from ((path, re.split(r"\s#|\s--", line)[0].strip()) for line in text.splitlines())
        required = self.setup.get("install_requires", [])
        source = "setup.py" if "setup.py" in self.files else "setup.cfg"
        lines = required.splitlines() if isinstance(required, str) else required
        yield from ((source, str(line)) for line in (lines if isinstance(lines, list | tuple) else []))
        yield from (("Pipfile", name) for name in table(toml(self.files.get("Pipfile", "")), "packages"))

    @cached_property
    def dockerfiles(self) -> dict[str, list[Instruction]]:
        """Every Dockerfile, the one at the root first."""
        found = [
            path
            for path in self.files
            if (name := PurePosixPath(path).name) in {"Dockerfile", "Containerfile"} or name.startswith("Dockerfile.")
        ]
        return {
            path: instructions(self.files[path]) for path in sorted(found, key=lambda path: (path.count("/"), path))
        }

    @cached_property
    def services(self) -> dict[str, dict[str, Any]]:
        """The services of each Compose file that can be read."""
        found = {}
        for path, text in self.files.items():
            if COMPOSE_FILE.fullmatch(PurePosixPath(path).name):
                services = (document(text) or {}).get("services")
                found[path] = services if isinstance(services, dict) else {}
        return found

    @property
    def images(self) -> Iterator[tuple[str, str]]:
        """Each image that a Compose file runs, without its registry, and that file."""
        for path, services in self.services.items():
            for service in services.values():
                if isinstance(service, dict) and isinstance(image := service.get("image"), str):
                    yield image.rpartition("/")[2], path

    @property
    def scripts(self) -> list[str]:
        """The console scripts it installs."""
        return list(table(self.project, "scripts"))

    @property
    def packages(self) -> list[str]:
        """The folders of its top-level packages, such as `src/desk` or `desk`."""
        return sorted(
            folder
            for path in self.files
            if PurePosixPath(path).name == "__init__.py"
            and (folder := path.removesuffix("/__init__.py")).removeprefix("src/").count("/") == 0
            and folder not in {"__init__.py", "tests", "test", "docs", "migrations", "src"}
        )

    def mentions(self, pattern: str, names: str) -> str | None:
        """The first file whose path fits the pattern `names` and whose text has a match of `pattern`."""
        expression, name = re.compile(pattern, re.MULTILINE), re.compile(names)
        fitting = (path for path in sorted(self.files) if name.search(path))
        return next((path for path in fitting if expression.search(self.files[path])), None)


def toml(text: str) -> dict[str, Any]:
    """A TOML document; nothing where it cannot be read."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def table(document: dict[str, Any], *names: str) -> dict[str, Any]:
    """A table in a document; nothing where there is none of these names."""
    for name in names:
        document = document.get(name, {})
        if not isinstance(document, dict):
            return {}
    return document


def is_development(name: str) -> bool:
    """Whether a group or a file of requirements is named as one that only developers need."""
    return bool(DEVELOPMENT.search(name.lower().removeprefix("requirements")))


def document(text: str) -> dict[str, Any] | None:
    """A YAML document that is a mapping, or None."""
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return read if isinstance(read, dict) else None


def instructions(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile; a here-document counts as nothing."""
    lines = re.sub(r"<<-?['\"]?(\w+)['\"]?[^\n]*\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = re.sub(r"^\s*#.*\n?", "", lines, flags=re.MULTILINE)
    joined = re.sub(r"\\[ \t]*\n", " ", lines)
    found = []
    for line in joined.splitlines():
        name, _, value = line.strip().partition(" ")
        if name.isalpha():
            found.append(Instruction(name.upper(), re.sub(r"\s+", " ", value).strip()))
    return found


@dataclass(frozen=True)
class Stage:
    """One stage of a Dockerfile."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]


def stages(dockerfile: list[Instruction]) -> list[Stage]:
    """The stages of a Dockerfile in their order; one without a name is called by its number."""
    found: list[tuple[str, str, list[Instruction]]] = []
    for instruction in dockerfile:
        if instruction.name == "FROM":
            words = [word for word in instruction.value.split() if not word.startswith("--")]
            named = words[2] if len(words) > 2 and words[1].lower() == "as" else str(len(found))
            found.append((named.lower(), words[0] if words else "", []))
        elif found:
            found[-1][2].append(instruction)
    return [Stage(name, base, tuple(content)) for name, base, content in found]


def final_stages(dockerfile: list[Instruction]) -> list[Stage]:
    """The last stage and those it is built on, the last first: what ends up in the image."""
    by_name = {stage.name: stage for stage in stages(dockerfile)}
    chain = list(by_name.values())[-1:]
    while chain and (base := by_name.get(chain[-1].base.lower())) and base not in chain:
        chain.append(base)
    return chain
