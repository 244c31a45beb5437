"""`towpath plan`."""

import json
from dataclasses import replace
from functools import partial
from typing import Any

import typer

from ..errors import Exit
from . import app
from .fleet import each, members
from .options import AnswersFile, AsJson, Cache, Data, Jobs, LogFolder, Selectors, ShardOf, TemplateSource, To, answers
from .text import show_error, show_plan


@app.command()
def plan(
    repositories: Selectors,
    to: To = None,
    data: Data = None,
    template: TemplateSource = None,
    answers_file: AnswersFile = ".copier-answers.yml",
    as_json: AsJson = False,
    shard: ShardOf = None,
    jobs: Jobs = None,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Say what an update would do, before anything exists.

    For each project: the files that change, conflicts with their cause, edits that plain `copier update` would lose,
    answers that would flip, questions that need an answer, and what the releases ask of your own files. Nothing is
    written, not even into `.git`; the last commit counts, uncommitted changes are not looked at.

    Ends with 3 when a project is blocked.

    - `towpath plan .`: what the newest release would change here

    - `towpath plan . --to v0.4.0 --json`: the same for one release, for a program

    - `towpath plan github:acme --json`: for a whole organisation

    - `towpath plan . --data 'ejected=[Dockerfile]'`: what taking over a file would do
    """
    from ..plan import plan as compute

    given = answers(data)
    code = Exit.DONE
    found: list[dict[str, Any]] = []
    work = partial(compute, to=to, data=given)
    for outcome in each(members(repositories, shard), work, template, answers_file, cache, log, jobs):
        if outcome.value is None:
            code = code or Exit.PROBLEM
            found.append({"name": outcome.name, "problem": outcome.error and outcome.error.message})
        else:
            # Two owners may have repositories of one name.
            planned = replace(outcome.value, name=outcome.name)
            code = Exit.BLOCKED if planned.state == "blocked" else code
            found.append(planned.to_json())
            if not as_json:
                show_plan(planned)
        if outcome.error:
            show_error(outcome.name, outcome.error.message)
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    raise typer.Exit(code)
