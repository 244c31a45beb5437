"""Where one repository stands."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .repository import Repository
from .template import Template

Drift = Literal["same", "edited", "missing"]


@dataclass(frozen=True)
class Status:
    """Where a repository stands.

    Attributes:
        name: The repository.
        source: Its template.
        version: The template's version that it has.
        latest: The newest.
        behind: How many releases lie between them.
        drift: For each managed file, how it compares with what the template rendered.
        ejected: Managed files that the project has taken over.
        removed: Managed files that the project does without.
        request: The address of its open update request, filled in by whoever asks the forge.
        problem: Why this cannot be told, or what could not be told; None when all is well.
    """

    name: str
    source: str = ""
    version: str = ""
    latest: str = ""
    behind: int = 0
    drift: dict[str, Drift] = field(default_factory=dict)
    ejected: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    request: str | None = None
    problem: str | None = None

    @property
    def drifted(self) -> list[str]:
        """The managed files that are not as the template rendered them."""
        return [path for path, drift in self.drift.items() if drift != "same"]

    def to_json(self) -> dict[str, Any]:
        """The status as data for `json.dumps`."""
        return asdict(self)


def status(repository: Repository, template: Template) -> Status:
    """Tell where a repository stands. What cannot be told is said in `problem`.

    Raises:
        OtherTemplateError: The repository was made from another template.
    """
    raise NotImplementedError
