"""`towpath status`."""

import json
from typing import Annotated

import typer
from rich.table import Table

from ..errors import Exit
from ..status import Status
from . import app
from .local import each
from .options import AnswersFile, AsJson, Cache, LogFolder, Paths, TemplateSource
from .text import console, show_error


@app.command()
def status(
    paths: Paths,
    template: TemplateSource = None,
    answers_file: AnswersFile = ".copier-answers.yml",
    as_json: AsJson = False,
    check: Annotated[bool, typer.Option("--check", help="End with 4 when something is behind or has drifted.")] = False,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Say where projects stand: version, how far behind, managed files that were edited or are missing.

    - `towpath status .`: this project

    - `towpath status ~/src/*/ --json`: many, for a program
    """
    from ..status import status as tell

    code = Exit.DONE
    found: list[Status] = []
    for outcome in each(paths, template, cache, answers_file, log, tell):
        if outcome.value:
            found.append(outcome.value)
        elif outcome.error:
            found.append(Status(outcome.name, problem=str(outcome.error)))
        if found[-1].problem:
            code = Exit.PROBLEM
        elif check and (found[-1].behind or found[-1].drifted):
            code = code or Exit.BEHIND
    if as_json:
        typer.echo(json.dumps([item.to_json() for item in found], indent=2))
    else:
        show(found)
    raise typer.Exit(code)


def show(found: list[Status]) -> None:
    """A table for a terminal; a line per project for a log."""
    rows = [
        (item.name, item.version, f"{item.behind} behind" if item.behind else "current", _drift(item), _taken(item))
        for item in found
        if not item.problem or item.version
    ]
    if console.is_terminal and rows:
        table = Table("project", "version", "", "drift", "taken over or removed", box=None, header_style="bold")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    else:
        for row in rows:
            console.print("  ".join(filter(None, row)), markup=False)
    for item in found:
        if item.problem:
            show_error(item.name, RuntimeError(item.problem))


def _drift(item: Status) -> str:
    if item.problem:
        return "not known"
    return ", ".join(f"{path} {item.drift[path]}" for path in item.drifted) or "none"


def _taken(item: Status) -> str:
    return ", ".join([*(f"{path} taken over" for path in item.ejected), *(f"{path} removed" for path in item.removed)])
