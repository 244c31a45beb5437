"""A template: one source, mirrored once, and what its versions are and say."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .git import File
from .render import Render


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

    source: str
    mirror: Path

    @classmethod
    def open(cls, source: str, cache: Path | None = None, *, refresh: bool = True) -> "Template":
        """Mirror a template into the cache, or bring the mirror up to date.

        Safe for several processes at once.

        Args:
            source: Where it is.
            cache: A folder for mirrors, checkouts and renders; by default the user's cache folder.
            refresh: Ask the source what is new. Workers of a fleet leave that to the process that starts them.

        Raises:
            TemplateError: The source cannot be fetched.
        """
        raise NotImplementedError

    @property
    def versions(self) -> list[str]:
        """The tags that are releases, oldest first, ordered as Copier orders them; pre-releases are left out."""
        raise NotImplementedError

    @property
    def latest(self) -> str:
        """The newest release, or what `git describe` says of HEAD when there is none."""
        raise NotImplementedError

    def behind(self, version: str) -> int:
        """How many releases are newer than a version. Raises UnknownVersionError."""
        raise NotImplementedError

    def notes(self, old: str, new: str) -> str:
        """What CHANGELOG.md (or, without one, the release commits) says of the releases after `old` up to `new`."""
        raise NotImplementedError

    def ownership(self, version: str) -> Ownership:
        """The table of a version; empty for a template that has none."""
        raise NotImplementedError

    def render(
        self,
        version: str,
        answers: dict[str, Any],
        *,
        name: str = "project",
        data: dict[str, Any] | None = None,
        operation: str = "update",
        exclude: tuple[str, ...] = (),
    ) -> Render:
        """What Copier would write, without writing it. Renders are cached by version and answers.

        Args:
            version: A release, or whatever else names a commit.
            answers: As the answers file has them; questions without one take their default.
            name: The folder's name, which templates may use.
            data: Answers given now, which outrank the others and have to be valid.
            operation: `update` renders what an update would (managed paths); `copy` renders all.
            exclude: Further patterns of paths to leave out.

        Raises:
            UnknownVersionError, NeedsTrustError, RenderError.
        """
        raise NotImplementedError


__all__ = ["File", "Ownership", "Render", "Template"]
