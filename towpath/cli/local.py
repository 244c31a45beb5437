"""Commands on projects of this machine, one after the other."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..errors import TowpathError
from ..log import logged
from ..repository import Repository
from ..template import Template

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a command gave for one project.

    Attributes:
        name: The project.
        value: The outcome, or None.
        error: What went wrong, or None.
    """

    name: str
    value: T | None = None
    error: TowpathError | None = None


def each(
    paths: list[Path],
    source: str | None,
    cache: Path | None,
    answers_file: str,
    logs: Path | None,
    work: Callable[[Repository, Template], T],
) -> Iterator[Outcome[T]]:
    """Do something for each project; one that fails does not stop the others."""
    templates: dict[str, Template] = {}
    for path in paths:
        name = path.resolve().name
        with logged(logs, name):
            try:
                repository = Repository.open(path, answers_file=answers_file)
                wanted = source or repository.source
                if wanted not in templates:
                    templates[wanted] = Template.open(wanted, cache)
                yield Outcome(repository.name, work(repository, templates[wanted]))
            except TowpathError as error:
                logging.getLogger(__name__).warning("%s", error)
                yield Outcome(name, error=error)
