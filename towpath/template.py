"""A template: one source, mirrored once, and what its versions are and say."""

import json
import os
import re
import shutil
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from packaging.version import InvalidVersion, Version
from platformdirs import user_cache_path

from .errors import GitError, TemplateError, TowpathError, UnknownVersionError, UnreachableError
from .git import AS_COMMITTED, FROM_HERE, git, try_git

if TYPE_CHECKING:  # Copier takes most of a second to import.
    from .render import Release, Render

_RENDERS_IN_MEMORY = 64


@dataclass(frozen=True)
class Ownership:
    """Who owns which path of a project.

    Attributes:
        seeded: Patterns of paths that are the project's, anchored with `/`; one that ends in `/` holds all below it.
        managed: Patterns of paths that the template keeps current.
    """

    seeded: tuple[str, ...] = ()
    managed: tuple[str, ...] = ()

    def owner(self, path: str) -> str:
        """`seeded`, `managed`, or `none` for a path that the table does not name."""
        for owner, patterns in (("seeded", self.seeded), ("managed", self.managed)):
            for pattern in patterns:
                if f"/{path}" == pattern or (pattern.endswith("/") and f"/{path}".startswith(pattern)):
                    return owner
        return "none"


class Template:
    """One template at one source.

    Attributes:
        source: Where it is: what `copier copy` takes (`gh:ORG/name`, an address, a folder).
        mirror: The bare copy in the cache.
    """

    def __init__(self, source: str, mirror: Path) -> None:
        self.source = source
        self.mirror = mirror
        self._commits: dict[str, str] = {}
        self._releases: dict[str, Release] = {}
        self._renders: OrderedDict[str, Render] = OrderedDict()

    @classmethod
    def open(cls, source: str, cache: Path | None = None, *, refresh: bool = True) -> "Template":
        """Mirror a template into the cache, or bring the mirror up to date.

        Safe for several processes at once.

        Args:
            source: Where it is.
            cache: A folder for mirrors, checkouts and renders; by default the user's cache folder.
            refresh: Ask the source what is new. Workers of a fleet leave that to the process that starts them.

        Raises:
            UnreachableError: The source cannot be fetched.
        """
        address = expand(source)
        folder = cache_folder(cache, "templates", sha256(identity(source).encode()).hexdigest()[:24])
        mirror = folder / "mirror.git"
        if refresh or not mirror.exists():
            with FileLock(folder / "lock"):
                try:
                    if mirror.exists():
                        git(mirror, "fetch", "--quiet", "--prune", "--force", "--", address, "+refs/*:refs/*")
                        _follow_head(mirror, address)
                    else:
                        with tempfile.TemporaryDirectory(dir=folder) as staging:
                            git(folder, "clone", "--quiet", "--mirror", "--", address, f"{staging}/mirror.git")
                            os.rename(f"{staging}/mirror.git", mirror)  # noqa: PTH104
                except GitError as error:
                    raise UnreachableError(f"The template {source} cannot be fetched: {error.stderr}") from error
        return cls(source, mirror)

    def made(self, source: str) -> bool:
        """Whether a project that names this source was made from this template: the same address, however written,
        or another place of the same name, such as a mirror, a fork or a clone."""
        ours, theirs = identity(self.source), identity(source)
        return ours == theirs or ours.rpartition("/")[2] == theirs.rpartition("/")[2]

    @cached_property
    def versions(self) -> list[str]:
        """The tags that are releases, oldest first, ordered as Copier orders them; pre-releases are left out."""
        tags = git(self.mirror, "for-each-ref", "--format=%(refname:strip=2)", "refs/tags").decode().split("\n")
        parsed = [(version, tag) for tag in tags if (version := _version(tag)) and not version.is_prerelease]
        return [tag for _, tag in sorted(parsed)]

    @property
    def latest(self) -> str:
        """The newest release, or what `git describe` says of HEAD when there is none."""
        return self.versions[-1] if self.versions else self.describe("HEAD")

    def commit(self, version: str) -> str:
        """The commit of a version. Raises UnknownVersionError."""
        if version not in self._commits:
            # What `git describe` said of a commit ends in its id, which outlives tags that have been moved or deleted.
            abbreviated = re.search(r"-g([0-9a-f]+)$", version)
            for name in (f"refs/tags/{version}", version, abbreviated and abbreviated[1]):
                if name and name[0] != "-" and (found := self._parse(name)):
                    self._commits[version] = found
                    break
            else:
                raise UnknownVersionError(
                    f"The template {self.source} has no version {version}. If its history was rewritten, set _commit "
                    "in the answers file to the release that the project was made from."
                )
        return self._commits[version]

    def _parse(self, name: str) -> str | None:
        return try_git(self.mirror, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") or None

    def describe(self, version: str) -> str:
        """What an answers file calls a version."""
        return git(self.mirror, "describe", "--tags", "--always", self.commit(version)).decode().strip()

    def newer(self, version: str) -> list[str]:
        """The releases after a version, oldest first.

        Raises:
            UnknownVersionError: There is no such version, or it is a tag that has no place among the releases.
        """
        tag = f"refs/tags/{version}"
        if self.versions and not _version(version) and try_git(self.mirror, "show-ref", "--verify", tag):
            raise UnknownVersionError(
                f"{version} is a tag of {self.source} that is no version by PEP 440, so what is newer cannot be told: "
                "name a release with --to, and tag as v1.2.3+acme.1 or v1.2.3.post1 what is an organisation's own."
            )
        known = self._contained(version)
        return [tag for tag in self.versions if not known or Version(tag) > Version(known[-1])]

    def _contained(self, version: str) -> list[str]:
        """The releases up to a version, oldest first. A commit's id is never compared: it may look like a version."""
        if version in self.versions:
            return self.versions[: self.versions.index(version) + 1]
        inside = git(self.mirror, "tag", "--merged", self.commit(version)).decode().split()
        return [tag for tag in self.versions if tag in inside]

    def between(self, old: str, new: str) -> list[str]:
        """The releases after `old` up to `new`, oldest first. Raises UnknownVersionError."""
        contained = self._contained(new)
        return [tag for tag in self.newer(old) if tag in contained]

    def behind(self, version: str) -> int:
        """How many releases are newer than a version; commits, when there are no releases.

        Raises:
            UnknownVersionError: There is no such version.
        """
        if not self.versions:
            return int(git(self.mirror, "rev-list", "--count", f"{self.commit(version)}..HEAD"))
        return len(self.newer(version))

    def notes(self, old: str, new: str) -> str:
        """What CHANGELOG.md says of the releases after `old` up to `new`, newest first; "" without one."""
        text = try_git(self.mirror, "show", f"{self.commit(new)}:CHANGELOG.md") or ""
        wanted = [Version(tag) for tag in self.between(old, new)]
        sections = re.split(r"(?m)^(?=## )", text)
        found = []
        for section in sections:
            heading = re.match(r"## \[?v?([0-9][^\s\]]*)", section)
            if heading and _version(heading[1]) in wanted:
                found.append(section.strip())
        return "\n\n".join(found)

    def release(self, version: str) -> "Release":
        """A version, checked out in the cache and compiled. Raises UnknownVersionError."""
        from .render import Release

        commit = self.commit(version)
        if commit not in self._releases:
            self._releases[commit] = Release(self._checkout(commit), commit, self.describe(version), self.versions)
        return self._releases[commit]

    def _checkout(self, commit: str) -> Path:
        checkout = self.mirror.parent / "checkouts" / commit
        if not checkout.exists():
            checkout.parent.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(dir=checkout.parent) as staging:
                folder = Path(staging, "checkout")
                try:
                    git(self.mirror, *FROM_HERE, "clone", "--quiet", "--shared", "--no-checkout", ".", str(folder))
                    git(folder, *AS_COMMITTED, "checkout", "--quiet", "--force", commit)
                    if (folder / ".gitmodules").exists():
                        git(folder, "remote", "set-url", "origin", expand(self.source))
                        submodules = ["submodule", "update", "--quiet", "--init", "--recursive", "--force"]
                        git(folder, *AS_COMMITTED, *submodules)
                except GitError as error:
                    raise TemplateError(
                        f"{commit[:12]} of {self.source} cannot be checked out: {error.stderr}"
                    ) from error
                try:
                    folder.rename(checkout)
                except OSError:  # Another process was faster.
                    shutil.rmtree(folder)
        return checkout

    def ownership(self, version: str) -> Ownership:
        """The table of a version; empty for a template that has none."""
        questions = self.release(version).questions()
        tables = [questions.get(owner, {}).get("default") for owner in ("seeded", "managed")]
        return Ownership(*(tuple(table) if isinstance(table, list) else () for table in tables))

    def changes(self, old: str, new: str) -> list[dict[str, Any]]:
        """The structured changes that releases after `old` up to `new` ask for, as declared; see `towpath.changes`."""
        declared = self.release(new).questions().get("changes", {}).get("default")
        if not isinstance(declared, list):
            return []
        crossed = {Version(tag) for tag in self.between(old, new)}
        return [
            change
            for change in declared
            if isinstance(change, dict) and _version(str(change.get("release"))) in crossed
        ]

    def render(
        self,
        version: str,
        answers: dict[str, Any],
        *,
        name: str = "project",
        data: dict[str, Any] | None = None,
        operation: str = "update",
        exclude: tuple[str, ...] = (),
    ) -> "Render":
        """What Copier would write, without writing it. Renders are cached by version and answers.

        Args:
            version: A release, or whatever else names a commit.
            answers: As the answers file has them; questions without one take their default.
            name: The folder's name, which templates may use.
            data: Answers given now, which outrank the others and have to be valid.
            operation: `update` renders what an update would (managed paths); `copy` renders all.
            exclude: Further patterns of paths to leave out.

        Raises:
            UnknownVersionError: The template has no such version.
            NeedsTrustError: The version would run code of its own.
            RenderError: It cannot be rendered with these answers.
        """
        asked = (self.commit(version), answers, name, data, operation, exclude)
        key = json.dumps(asked, default=str)
        if key not in self._renders:
            self._renders[key] = self.release(version).render(
                answers, name=name, data=data or {}, operation=operation, exclude=exclude
            )
            if len(self._renders) > _RENDERS_IN_MEMORY:
                self._renders.popitem(last=False)
        return self._renders[key]


def cache_folder(cache: Path | None, *names: str) -> Path:
    """A folder of the cache, by default the user's, made when it is missing.

    Raises:
        TowpathError: It cannot be made or written to.
    """
    folder = (cache or user_cache_path("towpath")).joinpath(*names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise TowpathError(
            f"The cache {folder} cannot be written to ({error.strerror}); name another folder with --cache or "
            "TOWPATH_CACHE."
        ) from error
    return folder


def expand(source: str) -> str:
    """The address that git understands: `gh:` and `gl:` written out, a folder made absolute."""
    if source.startswith("~"):
        return str(Path(source).expanduser())
    for short, host in (("gh:", "https://github.com/"), ("gl:", "https://gitlab.com/")):
        if source.startswith(short):
            return host + source.removeprefix(short).lstrip("/").removesuffix(".git") + ".git"
    source = source.removeprefix("git+")
    return str(Path(source).resolve()) if Path(source).exists() else source


def identity(source: str) -> str:
    """What is the same for all ways to write an address: host and path, without scheme, user, port and `.git`."""
    address = expand(source).rstrip("/").removesuffix(".git")
    url = re.match(r"[a-z+]+://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.*)", address)
    match = url or re.match(r"(?:[^@/]*@)?([\w.-]{2,}):(?!//)/?(.*)", address)
    return f"{match[1].lower()}/{match[2]}" if match else address


def _follow_head(mirror: Path, address: str) -> None:
    """Follow the source's default branch."""
    told = try_git(mirror, "ls-remote", "--symref", "--", address, "HEAD") or ""
    if match := re.match(r"ref: (refs/heads/\S+)\s+HEAD", told):
        git(mirror, "symbolic-ref", "HEAD", match[1])


def _version(tag: str) -> Version | None:
    try:
        return Version(tag)
    except InvalidVersion:
        return None
