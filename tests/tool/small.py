"""Small templates and projects, quickly made."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import copier
import yaml

from towpath.plan import Plan, plan
from towpath.repository import Repository
from towpath.template import Template

from ..project import Project

Files = Mapping[str, str | bytes | None]

QUESTIONS: dict[str, Any] = {
    "name": {"type": "str", "default": "thing"},
    "colour": {"type": "str", "choices": ["red", "green", "blue"], "default": "red"},
}
LINES = "".join(f"line {number}\n" for number in range(1, 13))
FILES: dict[str, str | bytes | None] = {
    "settings.toml": 'name = "it"\n\n[one]\na = 1\nb = 2\n\n[two]\nc = 3\n',
    "notes.txt": LINES,
    "deep/er/paint.txt.jinja": "{{ colour }}\n" + LINES,
    "run.sh": "#!/bin/sh\necho hello\n",
    "{{_copier_conf.answers_file}}.jinja": "{{ _copier_answers|to_nice_yaml }}",
}


@dataclass
class SmallTemplate:
    """A template's repository.

    Attributes:
        path: Its folder.
        cache: What the tool caches of it.
    """

    path: Path
    cache: Path

    @classmethod
    def make(cls, folder: Path, files: Files | None = None, **settings: Any) -> "SmallTemplate":
        """A template with one release, v1.0.0."""
        made = cls(folder / "small", folder / "cache")
        made.path.mkdir(parents=True)
        Project(made.path).git("init", "--quiet", "--initial-branch=main")
        made.release("v1.0.0", {**FILES, **(files or {})}, **settings)
        return made

    def release(
        self, tag: str | None, files: Files, *, config: Mapping[str, Any] | None = None, **settings: Any
    ) -> None:
        """Commit and tag another release.

        Args:
            tag: Its tag, or None for a commit without one.
            files: Files to write below `template/`; None deletes one.
            config: All of `copier.yml` but its settings; by default the questions above.
            settings: Its settings, without the underscore.
        """
        document = {"_subdirectory": "template", **{f"_{key}": value for key, value in settings.items()}}
        text = yaml.safe_dump({**document, **(config if config is not None else QUESTIONS)}, sort_keys=False)
        (self.path / "copier.yml").write_text(text)
        write(self.path / "template", files)
        (self.path / "template/run.sh").chmod(0o755)
        Project(self.path).commit(f"Release {tag}")
        if tag:
            Project(self.path).git("tag", tag)

    def project(self, folder: Path, version: str = "v1.0.0", **answers: Any) -> Project:
        """A committed project."""
        copier.run_copy(str(self.path), folder, data=answers, defaults=True, quiet=True, vcs_ref=version)
        project = Project(folder)
        project.git("init", "--quiet", "--initial-branch=main")
        project.commit("Start")
        return project

    def open(self) -> Template:
        return Template.open(str(self.path), self.cache)

    def open_as_is(self) -> Template:
        """Without asking its source what is new."""
        return Template.open(str(self.path), self.cache, refresh=False)

    def plan(self, project: Project, to: str | None = None, **data: Any) -> Plan:
        return plan(Repository.open(project.path), self.open(), to, data)


def write(folder: Path, files: Files) -> None:
    """Write and delete files."""
    for path, content in files.items():
        file = folder / path
        if content is None:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def edit(project: Project, files: Files) -> None:
    """Edit and commit."""
    write(project.path, files)
    project.commit("Edit")


def changed(text: str | bytes | None, old: str, new: str) -> str:
    assert isinstance(text, str)
    assert old in text
    return text.replace(old, new)


def copy_of(project: Project, folder: Path) -> Project:
    shutil.copytree(project.path, folder, symlinks=True)
    return Project(folder)
