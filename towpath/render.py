"""Render a version of a template in this process, with Copier's own machinery."""

from dataclasses import dataclass, field
from typing import Any

from .git import File


@dataclass(frozen=True)
class Question:
    """A question that stands between a project and a version.

    Attributes:
        name: The question.
        why: Why it needs an answer, or why the answer changed.
        old: The answer that the project has, or None.
        new: The answer that a plain update would give it, or None when there is none.
    """

    name: str
    why: str
    old: Any = None
    new: Any = None


@dataclass(frozen=True)
class Render:
    """What a version of a template gives for a set of answers.

    Attributes:
        files: Every rendered file, by path.
        answers: Every answer, the hidden ones included.
        kept: Rendered paths that Copier writes only when the project does not have them (`_skip_if_exists`).
        flipped: Answers that are no longer valid and fell back to the default.
        open: Questions that have neither an answer nor a default; `files` is then empty.
        forgotten: Answers that the version no longer asks for.
    """

    files: dict[str, File]
    answers: dict[str, Any]
    kept: frozenset[str] = frozenset()
    flipped: tuple[Question, ...] = ()
    open: tuple[Question, ...] = ()
    forgotten: tuple[Question, ...] = field(default=())
