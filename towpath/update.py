"""Apply a plan: one commit on a branch, or nothing."""

from dataclasses import dataclass
from typing import Literal

from .plan import Plan
from .repository import Repository

BRANCH = "towpath/update"


@dataclass(frozen=True)
class Result:
    """What became of an update.

    Attributes:
        name: The repository.
        state: `current` (there was nothing to do), `updated`, `unchanged` (the branch already held this update) or
            `partial` (asked for: conflicting files stayed as they were).
        branch: The branch that holds the update, or None.
        commit: Its commit, or None.
        title: A title for the request.
        text: A text for the request, in Markdown: the notes, what changed, what a person has to do.
    """

    name: str
    state: Literal["current", "updated", "unchanged", "partial"]
    branch: str | None = None
    commit: str | None = None
    title: str = ""
    text: str = ""


def update(
    repository: Repository,
    plan: Plan,
    *,
    branch: str = BRANCH,
    lock: bool = True,
    check: str | None = None,
    partial: bool = False,
) -> Result:
    """Commit what a plan says on a branch that begins at the plan's commit. The work tree is not touched.

    Everything is prepared out of sight and becomes visible by moving one reference, so that an update that is
    interrupted or killed at any point has not happened.

    Args:
        repository: The project.
        plan: Its plan.
        branch: The branch; made, or moved when everything on it came from here.
        lock: Run `uv lock` when the update changes `pyproject.toml` and the project commits `uv.lock`.
        check: A command of the project that has to succeed on the result first.
        partial: Commit what merges even when other files are in conflict; those stay as the project has them.

    Raises:
        BlockedError: The plan is blocked, the branch holds other people's commits or is checked out, the repository moved
            on since the plan, or the check failed. Nothing has changed.
    """
    raise NotImplementedError
