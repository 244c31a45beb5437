"""What a repository still lacks for the managed files that it now has, told from those files themselves."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from .existing import SIGNS, Existing, document, final_stages, instructions, stages, table

# The project's own code: neither its tests nor what the template brings.
_CODE = r"^(?!tests?/|\.towpath/).*\.py$"
# A tool reads such a file only where one of the project's own points to it.
POINTERS = {
    ".towpath/ruff.toml": ("pyproject.toml", 'set `extend = ".towpath/ruff.toml"` under [tool.ruff]'),
    ".towpath/pre-commit.yaml": (
        ".pre-commit-config.yaml",
        "let a local hook run `pre-commit run --config .towpath/pre-commit.yaml --files`",
    ),
}


@dataclass(frozen=True)
class Gap:
    """Something that a managed file counts on and that was not found.

    Attributes:
        file: The managed file.
        missing: What it counts on, as a sentence.
        todo: What closes the gap.
    """

    file: str
    missing: str
    todo: str


def gaps(after: Existing, managed: Mapping[str, str], seedable: Sequence[str] = ()) -> list[Gap]:
    """What the managed files count on and the project does not have.

    Args:
        after: The repository as adoption would leave it.
        managed: The text of each managed file that is the template's there, by its path.
        seedable: Paths that the template could write once.
    """
    found = [
        *_pipelines(after, managed),
        *_context(after, managed),
        *_targets(after, managed),
        *_commands(after, managed),
    ]
    if "Dockerfile" in managed:
        found = [*_image(after, managed["Dockerfile"], seedable), *found]
    for path, (pointer, todo) in POINTERS.items():
        if path in managed and path not in after.files.get(pointer, ""):
            found.append(Gap(path, f"{pointer} does not point to it, so no tool reads it.", f"In {pointer}, {todo}."))
    return found


def _image(after: Existing, dockerfile: str, seedable: Sequence[str]) -> Iterator[Gap]:
    """What the Dockerfile copies, installs and runs."""
    command = _entrypoint(dockerfile)
    yield from _project_table(after, dockerfile, command)
    for source in dict.fromkeys(_copied(dockerfile)):
        name = re.sub(r"\[(.)\]", r"\1", source)
        wanted = (f"test -f {PurePosixPath(name).name}", f'"{name}").exists()')
        optional = (name != source or "*" in source) and not any(check in dockerfile for check in wanted)
        if name == "pyproject.toml" or optional or _exists(after, source):
            continue
        if name == "uv.lock":
            yield Gap(
                "Dockerfile",
                "There is no uv.lock, and an image build stops without it.",
                "Run `uv lock` and commit it.",
            )
        elif name == "src":
            where = f" (the code is in {', '.join(after.packages)})" if after.packages else ""
            yield Gap(
                "Dockerfile",
                f"There is no src/{where}, the only code that gets into the image.",
                "Move the package into src/.",
            )
        else:
            seeds = [path for path in seedable if path == name or path.startswith(f"{name}/")]
            pattern = name if name in seeds else f"'{name}/*'"
            how = (
                f"create it, or adopt with --seed {pattern}" if seeds else "create it, or keep a Dockerfile of your own"
            )
            yield Gap("Dockerfile", f"There is no {name}, which it copies.", f"{how[0].upper()}{how[1:]}.")
    package = re.search(r"src/(\w+)/__init__\.py", dockerfile)
    if package and _exists(after, "src") and not _exists(after, f"src/{package[1]}"):
        yield Gap(
            "Dockerfile",
            f"There is no src/{package[1]}: the package is to be named after the project.",
            f"Rename it, or adopt with another project_name{_alternatives(after)}.",
        )
    probe = re.search(r"GET (/\S+) HTTP", dockerfile)
    if probe and not after.mentions(re.escape(probe[1]), _CODE):
        yield Gap(
            "Dockerfile",
            f"No code mentions {probe[1]}, which the health check asks: the container would never be healthy.",
            f"Answer {probe[1]} with 200 once the service can do its work.",
        )
    if not any(name in after.dependencies for name in SIGNS["frameworks"]):
        yield Gap(
            "Dockerfile", "No web framework is among the dependencies.", "The image is for a service that speaks HTTP."
        )
    elif not after.mentions(r"\bPORT\b", _CODE):
        yield Gap(
            "Dockerfile",
            "No code reads PORT and HOST from the environment.",
            "Listen on 0.0.0.0:8000 by default inside the container, and on PORT and HOST where they are set.",
        )


def _project_table(after: Existing, dockerfile: str, command: str | None) -> Iterator[Gap]:
    """What `uv sync` and the command need from pyproject.toml."""
    if not table(after.pyproject, "project") and (deeper := _deeper(after)):
        yield Gap("Dockerfile", f"The project seems to be in {deeper}/, not here.", f"Adopt that folder: {deeper}.")
    if "pyproject.toml" not in after.files:
        yield Gap(
            "Dockerfile",
            "There is no pyproject.toml.",
            "`uv init --package` makes one; `uv add -r` takes requirements over.",
        )
        return
    if not after.pyproject:
        yield Gap("Dockerfile", "pyproject.toml cannot be read as TOML.", "Mend it first.")
        return
    project = table(after.pyproject, "project")
    if not project:
        yield Gap(
            "Dockerfile",
            "pyproject.toml has no [project] table, which uv installs from.",
            "Move the metadata to [project].",
        )
        return
    backend = table(after.pyproject, "build-system").get("build-backend")
    if backend is None:
        yield Gap(
            "Dockerfile",
            "pyproject.toml has no [build-system]: uv would not install the project.",
            "Build with uv_build.",
        )
    if command and command not in after.scripts:
        others = f" (it has {', '.join(after.scripts)})" if after.scripts else ""
        yield Gap(
            "Dockerfile",
            f"No console script is named {command}{others}, which is what the container runs.",
            f'Add `{command} = "…:main"` under [project.scripts].',
        )
    image = re.search(r"python:(\d+\.\d+)", dockerfile)
    try:
        allowed = SpecifierSet(str(project.get("requires-python", "")))
    except InvalidSpecifier:
        return
    if image and not allowed.contains(f"{image[1]}.0"):
        yield Gap(
            "Dockerfile",
            f"requires-python is {allowed}, but the image has Python {image[1]}.",
            "Allow it once the tests pass on it.",
        )


def _deeper(after: Existing) -> str | None:
    """A folder that looks as if the project were in it, where nothing here says that it is installed from here."""
    if after.dependencies:
        return None
    telling = re.compile(r"(.+)/(pyproject\.toml|requirements\.txt|setup\.py)")
    found = [match[1] for path in after.files if (match := telling.fullmatch(path))]
    return min(found, key=lambda folder: (folder.count("/"), folder), default=None)


def _pipelines(after: Existing, managed: Mapping[str, str]) -> Iterator[Gap]:
    """What the jobs run."""
    jobs = {path: text for path, text in managed.items() if path.startswith((".gitlab-ci.yml", ".github/workflows/"))}
    if after.subfolder:
        for path in jobs:
            yield Gap(path, "A forge reads it only at the root of a repository.", "Answer [] for ci, or move it there.")
    for tool in ("pre-commit", "pytest"):
        if tool in after.files.get("pyproject.toml", ""):
            continue
        running = [path for path, text in jobs.items() if re.search(rf"uv run (?!.*--with)[^\n]*\b{tool}\b", text)]
        if running:
            missing = f"{tool}, which jobs run, is not among the project's development dependencies."
            yield Gap(running[0], missing, f"Run `uv add --dev {tool}`.")


def _targets(after: Existing, managed: Mapping[str, str]) -> Iterator[Gap]:
    """The stages that other managed files build from a Dockerfile that stays the project's."""
    if "Dockerfile" in managed or "Dockerfile" not in after.files:
        return
    there = {stage.name for stage in stages(after.dockerfiles["Dockerfile"])}
    for path, text in managed.items():
        if path.startswith("compose"):
            wanted = set(re.findall(r"^\s+target:\s*([\w-]+)\s*$", text, re.MULTILINE))
        elif path.endswith(".hcl"):
            wanted = set(re.findall(r'^\s+target\s*=\s*"([\w-]+)"', text, re.MULTILINE))
        else:
            continue
        if missing := sorted(wanted - there):
            stated = (
                f"no stage {', '.join(missing)}" if len(missing) == 1 else f"none of the stages {', '.join(missing)}"
            )
            yield Gap(path, f"Your Dockerfile has {stated}, which it builds.", f"Add them, or do without {path}.")


def _context(after: Existing, managed: Mapping[str, str]) -> Iterator[Gap]:
    """What the project's own Dockerfiles copy and a managed .dockerignore keeps out."""
    let_in = {line[1:].strip("/") for line in managed.get(".dockerignore", "").splitlines() if line.startswith("!")}
    for path in after.dockerfiles if let_in else ():
        if path in managed or path.startswith(".devcontainer/"):
            continue
        sources = [re.sub(r"^\.(/|$)|/$", "", source) or "everything" for source in _copied(after.files[path])]
        if kept_out := sorted({source for source in sources if not _fits(source.partition("/")[0], let_in)}):
            yield Gap(
                ".dockerignore",
                f"It lets only what it names into a build; {path}, which is yours, copies {', '.join(kept_out)}.",
                "Do without .dockerignore as long as you build with that Dockerfile.",
            )


def _commands(after: Existing, managed: Mapping[str, str]) -> Iterator[Gap]:
    """The commands that managed Compose files run in the image, and that it is healthy when they wait for that."""
    kept = "Dockerfile" not in managed
    final = [
        instruction
        for stage in final_stages(after.dockerfiles.get("Dockerfile", []))
        for instruction in stage.instructions
    ]
    names = {instruction.name for instruction in final}
    if not names:
        return
    command = _entrypoint(managed.get("Dockerfile", "")) or ""
    called: dict[str, str] = {}
    for path, text in managed.items():
        if not path.startswith("compose"):
            continue
        for service in ((document(text) or {}).get("services") or {}).values():
            # Images of others come with commands of their own.
            if service.get("build") or str(service.get("image")).startswith("${"):
                words = service.get("command")
                called |= {str(words[0]): path} if isinstance(words, list) else {}
        if kept and "condition: service_healthy" in text and "HEALTHCHECK" not in names:
            yield Gap(
                path, "It waits until the service is healthy, and your Dockerfile has no HEALTHCHECK.", "Add one."
            )
    for name, path in called.items():
        if kept and "ENTRYPOINT" not in names:
            missing = f"It runs the command `{name}` in the image, and your Dockerfile has no ENTRYPOINT to take it."
            yield Gap(path, missing, f"Add one, or own {path}.")
        elif not _knows(after, name):
            missing = f"It runs `{f'{command} {name}'.strip()}`, and no code seems to know that command."
            yield Gap(path, missing, f"Add it, or own {path}.")


def _knows(after: Existing, command: str) -> bool:
    """Whether some code names a command, in whatever way commands are declared."""
    if any(PurePosixPath(path).name == f"{command}.py" for path in after.files):
        return True
    return after.mentions(rf"""["']{re.escape(command)}["']|def {re.escape(command)}\(""", _CODE) is not None


def _entrypoint(dockerfile: str) -> str | None:
    """The command that the image runs."""
    found = re.findall(r'^ENTRYPOINT \["([^"]+)"', dockerfile, re.MULTILINE)
    return found[-1] if found else None


def _copied(dockerfile: str) -> Iterator[str]:
    """The paths that are copied from the project's folder."""
    for instruction in instructions(dockerfile):
        if instruction.name == "COPY" and "--from=" not in instruction.value:
            yield from [word for word in instruction.value.split() if not word.startswith("--")][:-1]


def _fits(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _exists(after: Existing, pattern: str) -> bool:
    """Whether a file or a folder fits a pattern of `COPY`."""
    return any(fnmatchcase(path, pattern) or path.startswith(f"{pattern}/") for path in after.files)


def _alternatives(after: Existing) -> str:
    packages = [path.removeprefix("src/") for path in after.packages if path.startswith("src/")]
    return f", such as {packages[0].replace('_', '-')}" if packages else ""
