"""A repository that was made from a template."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import BrokenAnswersError, GitError, NotARepositoryError, NotFromTemplateError
from .git import SUBMODULE, Entry, entries, git, read_blobs, try_git

ANSWERS_FILE = ".copier-answers.yml"


@dataclass(frozen=True)
class Repository:
    """A project at the commit that is checked out (in a bare repository, that HEAD names). Only that commit is read:
    uncommitted changes neither matter nor are touched.

    Attributes:
        path: The folder that holds the answers file, or a bare repository.
        name: What reports call it.
        head: The commit.
        branch: The branch that HEAD names, or None when it is detached.
        prefix: Where the project lies in its repository: "" or a path that ends in "/".
        bare: There is no work tree.
        answers_file: Its path relative to the project.
        answers: What the answers file says, `_commit` and `_src_path` included.
        files: Every file of the project, by path relative to it.
        submodules: Where other repositories lie in the project.
    """

    path: Path
    name: str
    head: str
    branch: str | None = None
    prefix: str = ""
    bare: bool = False
    answers_file: str = ANSWERS_FILE
    answers: dict[str, Any] = field(default_factory=dict, repr=False)
    files: dict[str, Entry] = field(default_factory=dict, repr=False)
    submodules: frozenset[str] = frozenset()

    @classmethod
    def open(
        cls, path: Path, *, name: str | None = None, answers_file: str = ANSWERS_FILE, joined: bool = True
    ) -> "Repository":
        """Read a project.

        Args:
            path: The project's folder, or a bare repository.
            name: What reports call it; by default the folder's name.
            answers_file: Its path, for projects made from several templates.
            joined: Whether it has to be made from a template; if not, its answers are left out.

        Raises:
            NotARepositoryError: There is no git repository with a commit.
            NotFromTemplateError: There is no answers file that names a template and a version.
        """
        if not path.is_dir():
            raise NotARepositoryError(f"{path} is not a folder.")
        told = try_git(path, "rev-parse", "--is-bare-repository", "--show-prefix", "--symbolic-full-name", "HEAD")
        head = try_git(path, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if told is None or not head:
            raise NotARepositoryError(f"{path} is no git repository, or has no commit yet. Commit the project first.")
        bare, prefix, reference = told.split("\n")
        try:
            listing = dict(entries(git(path, "ls-tree", "-r", "-z", "--full-tree", f"{head}:{prefix}")))
        except GitError as error:
            raise NotARepositoryError(
                f"The last commit does not hold {path} ({error.stderr}). Commit it first."
            ) from error
        files = {path: entry for path, entry in listing.items() if entry.mode != SUBMODULE}
        name = name or path.resolve().name.removesuffix(".git")
        return cls(
            path=path.resolve(),
            name=name,
            head=head,
            branch=reference.removeprefix("refs/heads/") if reference.startswith("refs/heads/") else None,
            prefix=prefix,
            bare=bare == "true",
            answers_file=answers_file,
            answers=_read_answers(path, name, files, answers_file) if joined else {},
            files=files,
            submodules=frozenset(listing.keys() - files.keys()),
        )

    def read(self, path: str) -> bytes:
        """What a file of the commit holds. Raises KeyError when there is none."""
        oid = self.files[path].oid
        return read_blobs(self.path, [oid])[oid]

    @property
    def algorithm(self) -> str:
        """The hash of the repository's object format."""
        return "sha256" if len(self.head) == 64 else "sha1"

    @property
    def root(self) -> Path:
        """The repository's own folder, which differs from `path` when the project lies deeper."""
        return self.path.parents[self.prefix.count("/") - 1] if self.prefix else self.path

    @property
    def source(self) -> str:
        """Where the template is, as the answers file says; a relative path is made absolute."""
        source = str(self.answers["_src_path"])
        local = self.path / source
        return str(local.resolve()) if source.startswith(".") and local.is_dir() else source

    @property
    def version(self) -> str:
        """The template's version, as the answers file says: a tag, or what `git describe` said of a commit."""
        return str(self.answers["_commit"])


def _read_answers(path: Path, name: str, files: dict[str, Entry], answers_file: str) -> dict[str, Any]:
    if answers_file not in files:
        others = sorted(path for path in files if path.rpartition("/")[2].startswith(".copier-answers"))
        hint = f"; it has {', '.join(others)}: name one with --answers-file" if others else ""
        raise NotFromTemplateError(
            f"{name} was not made from a template, or its answers file is not committed: there is no "
            f"{answers_file}{hint}. `towpath adopt` makes a project join."
        )
    oid = files[answers_file].oid
    try:
        answers = yaml.safe_load(read_blobs(path, [oid])[oid])
    except yaml.YAMLError as error:
        raise BrokenAnswersError(f"{answers_file} of {name} is not YAML: {error}") from error
    if not isinstance(answers, dict) or not answers.get("_src_path") or not answers.get("_commit"):
        raise BrokenAnswersError(
            f"{answers_file} of {name} does not name its template and version (_src_path, _commit)."
        )
    if odd := [key for key in answers if not isinstance(key, str)]:
        raise BrokenAnswersError(
            f"{answers_file} of {name} has the key {odd[0]}, which YAML does not read as text; quote or remove it."
        )
    try:
        json.dumps(answers, default=str)
    except (TypeError, ValueError) as error:
        raise BrokenAnswersError(f"{answers_file} of {name} holds what no answer can be: {error}.") from error
    return answers
