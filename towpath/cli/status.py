"""`towpath status`."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Exit
from . import app
from .fleet import each, members
from .options import AnswersFile, AsJson, Cache, Jobs, LogFolder, Page, Selectors, ShardOf, TemplateSource
from .text import show_report


@app.command()
def status(
    repositories: Selectors,
    template: TemplateSource = None,
    answers_file: AnswersFile = ".copier-answers.yml",
    as_json: AsJson = False,
    page: Page = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Also compute whether an update would meet conflicts, and which.")
    ] = False,
    requests: Annotated[
        bool, typer.Option("--requests", help="Also ask GitHub or GitLab for the open update request of each.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="End with 4 when something is behind or has drifted.")] = False,
    shard: ShardOf = None,
    jobs: Jobs = None,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Say where projects stand: version, how far behind, managed files that were edited or are missing.

    - `towpath status .`: this project

    - `towpath status ~/src/*/ --json`: many, for a program

    - `towpath status github:acme?topic=service gitlab:acme/shop --conflicts --requests --html fleet.html`: all of an
      organisation and a group, for a manager
    """
    from ..report import Report, Row
    from ..survey import survey

    work = partial(survey, requests=requests, outlook=conflicts)
    rows: list[Row] = []
    selected = members(repositories, shard)
    for outcome in each(selected, work, template, answers_file, cache, log, jobs):
        if outcome.value:
            rows.append(outcome.value.model_copy(update={"name": outcome.name}))
        elif outcome.error:
            rows.append(Row(name=outcome.name, state=outcome.error.standing, problem=outcome.error.message))
    report = Report.now(rows)
    show_report(report, as_json=as_json, page=page)
    if any(row.wrong for row in rows):
        raise typer.Exit(Exit.PROBLEM)
    if check and any(row.behind or row.drifted for row in rows):
        raise typer.Exit(Exit.BEHIND)


@app.command()
def report(
    reports: Annotated[
        list[Path] | None, typer.Argument(help="Files that `towpath status --json` wrote.", metavar="FILE...")
    ] = None,
    as_json: AsJson = False,
    page: Page = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of reports instead.")] = False,
) -> None:
    """Merge the reports of shards into one, and show it.

    - `towpath report shard-*.json --html fleet.html`: one page of all
    """
    from ..report import Report, merge

    if schema:
        typer.echo(json.dumps(Report.model_json_schema(), indent=2))
    elif not reports:
        raise typer.BadParameter("name at least one report")
    else:
        show_report(merge(map(Report.read, reports)), as_json=as_json, page=page)
