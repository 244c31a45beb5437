"""What every command that takes repositories does with them: select, work through, show how far it is."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..fleet import Fleet, Member, Problem, Shard, attempt, select, visit
from ..forges import Forges
from ..repository import Repository
from ..template import Template
from .text import errors

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a command gave for one repository.

    Attributes:
        name: The repository.
        value: The outcome, or None.
        error: What went wrong, or None.
    """

    name: str
    value: T | None = None
    error: Problem | None = None


def members(selectors: list[str], shard: str | None = None) -> list[Member]:
    """The repositories that the command line names; from here on git finds the tokens of the environment."""
    forges = Forges()
    os.environ.update(forges.git_environment())
    try:
        part = Shard.parse(shard or "1/1")
    except ValueError as error:
        raise typer.BadParameter(f"write NUMBER/OF, as in 2/8, not {shard}", param_hint="--shard") from error
    return [member for member in select(selectors, forges) if member in part]


def each(
    selected: list[Member],
    work: Callable[[Repository, Template], T],
    source: str | None,
    answers_file: str,
    cache: Path | None,
    logs: Path | None,
    jobs: int | None,
) -> Iterator[Outcome[T]]:
    """Do something for each repository as the workers get to it; one that fails does not stop the others.

    Args:
        selected: The repositories.
        work: What to do; it goes to other processes, so it is a function of a module with its arguments bound.
        source: Where the template is, or None for what each repository says.
        answers_file: Path of the answers file.
        cache: Folder for mirrors and clones.
        logs: Folder for a log per repository.
        jobs: Number of workers.
    """
    task = partial(visit, work, source, cache, answers_file, time.time())
    if len(selected) == 1:
        done: Iterable[tuple[Member, T | Problem]] = [(selected[0], attempt(task, logs, selected[0]))]
    else:
        done = watched(Fleet(task, jobs, logs).run(selected), len(selected))
    for member, outcome in done:
        if isinstance(outcome, Problem):
            yield Outcome(member.name, error=outcome)
        else:
            yield Outcome(member.name, outcome)


def watched(done: Iterator[tuple[Member, T]], total: int) -> Iterator[tuple[Member, T]]:
    """Show how far it is on standard error: a bar for a person, every tenth of the way a line for a log."""
    if errors.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=errors, transient=True) as progress:
            bar = progress.add_task("repositories", total=total)
            for member, outcome in done:
                progress.update(bar, advance=1, description=member.name)
                yield member, outcome
        return
    for number, (member, outcome) in enumerate(done, 1):
        yield member, outcome
        if number == total or number * 10 // total > (number - 1) * 10 // total:
            errors.print(f"{number} of {total} repositories", markup=False)
