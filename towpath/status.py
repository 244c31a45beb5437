"""Where one repository stands."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .errors import Standing, TemplateError, UnknownVersionError
from .plan import own_answers, require_origin
from .repository import Repository
from .template import Template

Drift = Literal["same", "edited", "missing"]


@dataclass(frozen=True)
class Status:
    """Where a repository stands.

    Attributes:
        name: The repository.
        state: How its version compares with its template's.
        source: Its template.
        version: The template's version that it has.
        latest: The newest.
        behind: How many releases lie between them; commits, for a template that has none.
        drift: For each managed file, how it compares with what the template rendered.
        ejected: Managed files that the project has taken over.
        removed: Managed files that the project does without.
        request: The address of its open update request, filled in by whoever asks the forge.
        problem: Why this cannot be told, or what could not be told; None when all is well.
    """

    name: str
    state: Standing
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
    require_origin(repository, template)
    version = repository.version
    known: dict[str, Any] = {
        "name": repository.name,
        "source": repository.source,
        "version": version,
        "latest": template.latest,
    }
    try:
        known["behind"] = template.behind(version)
    except UnknownVersionError as error:
        return Status(**known, state=error.standing, problem=str(error))
    known["state"] = Standing.BEHIND if known["behind"] else Standing.CURRENT
    try:
        render = template.render(version, repository.answers, name=repository.name, data=own_answers(repository))
        managed = template.ownership(version).managed
    except TemplateError as error:
        return Status(**known, problem=str(error))
    drift: dict[str, Drift] = {}
    for path, file in sorted(render.files.items()):
        # What is only ever written when it is missing is the project's.
        if path == repository.answers_file or path in render.kept:
            continue
        now = repository.files.get(path)
        drift[path] = "missing" if now is None else "same" if now == file.entry(repository.algorithm) else "edited"
    for answer in ("ejected", "removed"):
        if managed and isinstance(value := repository.answers.get(answer), list):
            known[answer] = tuple(map(str, value))
    return Status(**known, drift=drift)
