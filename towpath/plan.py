"""What an update of one repository would do, computed without touching it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .changes import Change
from .git import File
from .render import Question
from .repository import Repository
from .template import Template

State = Literal["current", "clean", "blocked"]


@dataclass(frozen=True)
class Conflict:
    """A file that both sides changed so that no merge is safe.

    Attributes:
        path: The file.
        cause: Why, in one sentence.
        diff: What the template changes in it, as a unified diff, for the person who does it by hand.
    """

    path: str
    cause: str
    diff: str = ""


@dataclass(frozen=True)
class LostEdit:
    """An edit that plain `copier update` would lose without a word; `towpath update` keeps it or stops.

    Attributes:
        path: The edited file.
        cause: How it would be lost.
    """

    path: str
    cause: str


@dataclass(frozen=True)
class Plan:
    """What an update would do.

    Attributes:
        name: The repository.
        old: The template's version that it has.
        new: The one that it would get.
        state: `current` (nothing to do), `clean` (can be applied) or `blocked` (conflicts, flipped answers or open
            questions; nothing is applied).
        head: The commit that the plan is for.
        files: What happens to which file: `added`, `changed` or `deleted`, by path.
        conflicts: Files that a person has to merge.
        merged: Files that both sides changed and that merge: how, by path (`text`, `structure` or `rename`).
        lost_edits: What plain `copier update` would lose.
        flipped: Answers that would change without a word.
        questions: Questions that need an answer first.
        forgotten: Answers that are no longer asked for; they block nothing.
        changes: What the releases ask of files that belong to the project.
        notes: What the releases say of themselves, in Markdown.
        writes: The result: new contents by path, None for a file that goes. Not part of the JSON.
    """

    name: str
    old: str
    new: str
    state: State
    head: str
    files: dict[str, Literal["added", "changed", "deleted"]] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    merged: dict[str, str] = field(default_factory=dict)
    lost_edits: tuple[LostEdit, ...] = ()
    flipped: tuple[Question, ...] = ()
    questions: tuple[Question, ...] = ()
    forgotten: tuple[Question, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: str = ""
    writes: dict[str, File | None] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The plan as data for `json.dumps`."""
        return {key: value for key, value in asdict(self).items() if key != "writes"}

    @property
    def reasons(self) -> list[str]:
        """Why it is blocked, a sentence each; empty otherwise."""
        return [
            *(f"{conflict.path}: {conflict.cause}" for conflict in self.conflicts),
            *(f"answer {q.name}: {q.old!r} would become {q.new!r}; {q.why}" for q in self.flipped),
            *(f"question {q.name} needs an answer; {q.why}" for q in self.questions),
        ]


def plan(repository: Repository, template: Template, to: str | None = None, data: dict[str, Any] | None = None) -> Plan:
    """Compute what an update would do.

    Args:
        repository: The project.
        template: Its template.
        to: The version to update to; by default the newest release.
        data: Answers given now.

    Raises:
        OtherTemplateError: The repository was made from another template.
        UnknownVersionError, NeedsTrustError, RenderError.
    """
    raise NotImplementedError
