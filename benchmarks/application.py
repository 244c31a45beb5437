"""The application that every contestant builds: a project of the template's, and what other tools need beside it."""

import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTESTANTS = Path(__file__).parent / "contestants"
OURS = {"towpath-prod": "prod", "towpath-distroless": "distroless"}
POETRY = "poetry==2.5.1"
NAME = "bench-service"
LOCKS = ("pyproject.toml", "uv.lock", "requirements.txt", "poetry.lock")


@dataclass(frozen=True)
class Application:
    """A folder that one contestant builds.

    Attributes:
        path: The folder.
        target: The stage to build, or None for the last.
    """

    path: Path
    target: str | None

    def edit_source(self, word: str) -> None:
        """Change one line of the source."""
        source = min((self.path / "src").rglob("health.py"))
        lines = source.read_text().splitlines(keepends=True)
        source.write_text("".join([f"# {word}\n", *lines[lines[0].startswith("# ") :]]))

    def add_dependency(self, prepared: Path, kept: Path) -> None:
        """Take the dependencies of a folder that has one more, and keep what was there."""
        kept.mkdir(exist_ok=True)
        for name in LOCKS:
            if (self.path / name).exists():
                shutil.copy2(self.path / name, kept / name)
                shutil.copy2(prepared / name, self.path / name)

    def restore(self, kept: Path) -> None:
        """Take the dependencies that were kept."""
        shutil.copytree(kept, self.path, dirs_exist_ok=True)


def run(folder: Path, *command: str) -> str:
    """Run a command that must succeed, and return its standard output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def generate(folder: Path) -> Path:
    """Make a `web` project of the template as it stands in the working tree."""
    template, project = folder / "template", folder / NAME
    template.mkdir()
    for name in ("copier.yml", "extensions", "template"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, template / name)
    data = f"--data=project_name={NAME}"
    run(folder, sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", data, str(template), str(project))
    run(project, "uv", "lock", "--quiet")
    return project


class Applications:
    """One folder for each contestant, all with the same source and the same versions of the same packages."""

    def __init__(self, folder: Path, project: Path | None, contestants: list[str]) -> None:
        self.folder = folder
        source = folder / "source"
        ignored = shutil.ignore_patterns(".git", ".venv", "node_modules", "__pycache__", ".*_cache")
        shutil.copytree(project or generate(folder), source, ignore=ignored)
        self.about: dict[str, Any] = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        self._poetry = "poetry" in contestants
        more = folder / "more"
        shutil.copytree(source, more)
        run(more, "uv", "add", "--quiet", "--no-sync", "tabulate")
        self._lock(source)
        self._lock(more)
        self.contestants = {name: self._prepare(name, source) for name in contestants}

    def with_one_more(self, name: str) -> Path:
        """The folder with one more dependency, as this contestant declares them."""
        return self.folder / ("more-poetry" if name == "poetry" else "more")

    def source_bytes(self) -> int:
        """Bytes of the application's source."""
        return sum(path.stat().st_size for path in (self.folder / "source/src").rglob("*") if path.is_file())

    def _lock(self, project: Path) -> None:
        """Write the same versions for pip and for Poetry."""
        options = ["--quiet", "--locked", "--no-default-groups", "--no-emit-project", "--no-hashes", "--no-annotate"]
        exported = run(project, "uv", "export", *options, "--no-header")
        (project / "requirements.txt").write_text(exported)
        if not self._poetry:
            return
        poetry = project.with_name(f"{project.name}-poetry")
        poetry.mkdir()
        scripts = "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.about["scripts"].items())
        package = self.about["name"].replace("-", "_")
        locked = tomllib.loads((project / "uv.lock").read_text())["package"]
        index = next(one["source"]["registry"] for one in locked if "registry" in one["source"])
        (poetry / "pyproject.toml").write_text(
            f'[project]\nname = "{self.about["name"]}"\nversion = "{self.about["version"]}"\n'
            f"description = {json.dumps(self.about['description'])}\n"
            f'requires-python = "{self.about["requires-python"]}"\n'
            f"dependencies = {json.dumps(exported.splitlines(), indent=2)}\n"
            f"[project.scripts]\n{scripts}"
            f'[tool.poetry]\npackages = [{{ include = "{package}", from = "src" }}]\n'
            f'[[tool.poetry.source]]\nname = "index"\nurl = "{index}/"\n'
            '[build-system]\nrequires = ["poetry-core>=2"]\nbuild-backend = "poetry.core.masonry.api"\n'
        )
        with tempfile.TemporaryDirectory() as cache:
            run(poetry, "env", f"POETRY_CACHE_DIR={cache}", "uvx", "--quiet", POETRY, "lock", "--quiet")

    def _prepare(self, name: str, source: Path) -> Application:
        path = self.folder / name
        shutil.copytree(source, path)
        if name in OURS:
            return Application(path, OURS[name])
        if name == "poetry":
            for unused in ("uv.lock", "requirements.txt"):
                (path / unused).unlink()
            shutil.copytree(source.with_name(f"{source.name}-poetry"), path, dirs_exist_ok=True)
        dockerfile = (CONTESTANTS / name / "Dockerfile").read_text()
        slug: str = self.about["name"]
        dockerfile = dockerfile.replace(NAME, slug).replace(NAME.replace("-", "_"), slug.replace("-", "_"))
        (path / "Dockerfile").write_text(dockerfile)
        (path / ".dockerignore").write_text(".git\n.venv\n**/__pycache__\n")
        # Where a recipe does not install the project, its source must know its own name and version all the same.
        known = path / "src" / f"{slug.replace('-', '_')}-{self.about['version']}.dist-info"
        known.mkdir()
        fields = {"Metadata-Version": "2.4", "Name": slug, "Version": self.about["version"]}
        fields["Summary"] = self.about["description"]
        (known / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        return Application(path, None)
