"""What an update of one repository would do, computed without touching it."""

from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal

from .changes import Change
from .changes import apply as apply_change
from .errors import NeedsTrustError, OtherTemplateError, TemplateError
from .git import File, read_blobs
from .merge import Conflict, LostEdit, merge
from .repository import Repository
from .template import Template

if TYPE_CHECKING:
    from .render import Question, Release

State = Literal["current", "clean", "blocked"]


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
        merged: Files that both sides changed and that merge: how, by path (`text`, `pins`, `structure` or `rename`).
        hunks: What the update changes in those of them that git could not merge by line, as unified diffs by path.
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
    hunks: dict[str, str] = field(default_factory=dict)
    lost_edits: tuple[LostEdit, ...] = ()
    flipped: "tuple[Question, ...]" = ()
    questions: "tuple[Question, ...]" = ()
    forgotten: "tuple[Question, ...]" = ()
    changes: tuple[Change, ...] = ()
    notes: str = ""
    writes: dict[str, File | None] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """The plan as data for `json.dumps`."""
        return asdict(self, dict_factory=lambda pairs: {key: value for key, value in pairs if key != "writes"})

    @property
    def reasons(self) -> list[str]:
        """Why it is blocked, a sentence each; empty otherwise."""
        return [
            *(f"{conflict.path}: {conflict.cause}" for conflict in self.conflicts),
            *(f"the answer {q.name} would change from {q.old!r} to {q.new!r}: {q.why}" for q in self.flipped),
            *(f"the question {q.name} needs an answer: {q.why}" for q in self.questions),
        ]


def plan(repository: Repository, template: Template, to: str | None = None, data: dict[str, Any] | None = None) -> Plan:
    """Compute what an update would do.

    Args:
        repository: The project.
        template: Its template.
        to: The version to update to; by default the newest release.
        data: Answers given now; text is read by the type of its question.

    Raises:
        OtherTemplateError: The repository was made from another template.
        UnknownVersionError: The template does not have the version that the repository has, or `to`; or what is newer
            cannot be told.
        NeedsTrustError: The update would run code of the template.
        RenderError: One of the versions cannot be rendered with the project's answers.
        TemplateError: `to` is older than what the project has, or `data` answers a question that it does not ask.
    """
    require_origin(repository, template)
    old, new = repository.version, to or template.latest
    if to is None:
        template.newer(old)  # which says why where that cannot be told
    same = template.commit(old) == template.commit(new)
    if same and not data:
        return Plan(repository.name, old, new, "current", repository.head)
    before, after = template.release(old), template.release(new)
    if not same and _older(after, before):
        if to is None:
            return Plan(repository.name, old, new, "current", repository.head)
        raise TemplateError(f"{repository.name} has {old}, which is newer than {to}; an update never goes back.")
    if features := after.needs_trust(before):
        raise NeedsTrustError(
            f"{new} of the template uses {', '.join(features)}, which would run its code; towpath never does. "
            "Use `copier update --trust` if you trust it."
        )
    if data:
        _require_questions(after, data)
    base = template.render(
        old,
        repository.answers,
        name=repository.name,
        data=own_answers(repository),
        # As Copier does: what the new version leaves out is no deletion.
        exclude=tuple(pattern for pattern in after.template.exclude if pattern not in before.template.exclude),
    )
    theirs = template.render(new, repository.answers, name=repository.name, data=data)
    about: dict[str, Any] = {
        "flipped": theirs.flipped,
        "questions": theirs.open,
        "forgotten": theirs.forgotten,
        "notes": template.notes(old, new),
    }
    if theirs.open:
        return Plan(repository.name, old, after.described, "blocked", repository.head, **about)

    answers_file = repository.answers_file
    merged = merge(
        repository,
        {path: file for path, file in base.files.items() if path != answers_file},
        {path: file for path, file in theirs.files.items() if path != answers_file},
        theirs.kept,
        theirs.restored,
    )
    if answers_file in theirs.files:
        merged.writes[answers_file] = theirs.files[answers_file]
    changes = _apply_changes(repository, template.changes(old, new), merged.writes)
    writes = {
        path: file
        for path, file in merged.writes.items()
        if (file and file.entry(repository.algorithm)) != repository.files.get(path)
    }
    blocked = merged.conflicts or theirs.flipped
    return Plan(
        repository.name,
        old,
        after.described,
        "blocked" if blocked else "clean" if writes else "current",
        repository.head,
        files={
            path: "deleted" if file is None else "changed" if path in repository.files else "added"
            for path, file in sorted(writes.items())
        },
        conflicts=tuple(merged.conflicts),
        merged=merged.how,
        hunks=merged.hunks,
        lost_edits=tuple(merged.lost_edits),
        changes=changes,
        writes=writes,
        **about,
    )


def require_origin(repository: Repository, template: Template) -> None:
    """Raise OtherTemplateError when a repository was made from another template."""
    if not template.made(repository.source):
        raise OtherTemplateError(f"{repository.name} was made from {repository.source}, not from {template.source}.")


def own_answers(repository: Repository) -> dict[str, Any]:
    """The answers that a project gave."""
    return {key: value for key, value in repository.answers.items() if key[:1] != "_"}


def _require_questions(release: "Release", data: dict[str, Any]) -> None:
    """Raise TemplateError when something is answered that a version does not ask."""
    questions = release.questions()
    for name in data:
        if name not in questions:
            near = get_close_matches(name, questions)
            hint = f" Do you mean {near[0]}?" if near else ""
            raise TemplateError(f"{release.described} of the template asks no question {name}.{hint}")


def _older(release: "Release", other: "Release") -> bool:
    """Whether a version comes before another; where that cannot be told, it does not."""
    ours, theirs = release.template.version, other.template.version
    return ours is not None and theirs is not None and ours < theirs


def _apply_changes(
    repository: Repository, declared: list[dict[str, Any]], writes: dict[str, File | None]
) -> tuple[Change, ...]:
    found = []
    for change in declared:
        path = str(change["file"])
        entry = repository.files.get(path)
        file = writes.get(path)
        if path not in writes and entry:
            file = File(entry.mode, read_blobs(repository.path, [entry.oid])[entry.oid])
        outcome, changed = apply_change(change, file)
        if changed:
            writes[path] = changed
        found.append(outcome)
    return tuple(found)
