"""The data of a report. Its JSON form is stable: within one `schema` number, fields are only ever added."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import Standing, TowpathError

SCHEMA: Final = 1


class ReportError(TowpathError):
    """A file is no report."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True)


class Request(_Data):
    """An open update request."""

    url: str
    opened: datetime


class Conflict(_Data):
    """A reason why an update cannot be applied."""

    path: str = Field(description="The file, or the question")
    cause: str


class Outlook(_Data):
    """What updating to the newest release would do."""

    state: Literal["current", "clean", "blocked"]
    files: int = Field(description="Number of files that would change")
    conflicts: list[Conflict] = []
    lost_edits: list[Conflict] = Field(default=[], description="Edits that plain `copier update` would lose")


class Row(_Data):
    """One repository."""

    name: str = Field(description="Full name on its forge; the folder's name where it is on none")
    state: Standing = Field(default=Standing.BROKEN, description="How its version compares with its template's")
    url: str = Field(default="", description="Page for people, or empty")
    template: str = Field(default="", description="Where its template is, as its answers file says")
    version: str = Field(default="", description="The template's version that it has")
    latest: str = Field(default="", description="The template's newest release")
    behind: int = Field(
        default=0, description="Number of releases between them; of commits, for a template without releases"
    )
    released: date | None = Field(default=None, description="When the version that it has was released")
    drift: dict[str, Literal["same", "edited", "missing"]] = Field(
        default={},
        description="Each managed file against what the template rendered at that version and with those answers",
    )
    ejected: list[str] = Field(default=[], description="Managed files that the project has taken over")
    removed: list[str] = Field(default=[], description="Managed files that the project does without")
    request: Request | None = Field(default=None, description="The open update request")
    outlook: Outlook | None = Field(default=None, description="Null unless it was asked for")
    problem: str | None = Field(default=None, description="Why something could not be told")

    @property
    def known(self) -> bool:
        """Its version could be compared with its template's."""
        return self.state in (Standing.CURRENT, Standing.BEHIND)

    @property
    def wrong(self) -> bool:
        """Something went wrong; that a repository is of no template is nothing wrong."""
        return bool(self.problem) and self.state is not Standing.FOREIGN

    @model_validator(mode="before")
    @classmethod
    def _earlier(cls, data: Any) -> Any:
        # Reports of earlier releases have no state.
        if isinstance(data, dict) and "state" not in data and data.get("version") and data.get("latest"):
            return {**data, "state": Standing.BEHIND if data.get("behind") else Standing.CURRENT}
        return data

    @property
    def drifted(self) -> dict[str, str]:
        """The managed files that are not as rendered."""
        return {path: how for path, how in self.drift.items() if how != "same"}

    @property
    def blocked(self) -> bool:
        """An update would need a person."""
        return self.outlook is not None and self.outlook.state == "blocked"


class Report(_Data):
    """A fleet at a moment."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    made: datetime
    repositories: list[Row]

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    @classmethod
    def now(cls, rows: Iterable[Row]) -> "Report":
        return cls(schema=SCHEMA, made=datetime.now(UTC).replace(microsecond=0), repositories=_sorted(rows))

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Read a report. Raises ReportError."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ReportError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = "/".join(map(str, first["loc"])) or "the top"
            raise ReportError(f"{path} is no report of `towpath status --json`: {first['msg']} at {where}") from error

    def to_json(self) -> str:
        return self.model_dump_json(indent=2, by_alias=True)


def merge(reports: Iterable[Report]) -> Report:
    """One report of several shards; where two know a repository, the newer one is believed."""
    rows: dict[str, Row] = {}
    made = datetime.min.replace(tzinfo=UTC)
    for report in sorted(reports, key=lambda report: report.made):
        rows |= {row.name: row for row in report.repositories}
        made = report.made
    return Report(schema=SCHEMA, made=made, repositories=_sorted(rows.values()))


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.name)
