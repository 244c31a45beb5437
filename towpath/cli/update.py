"""`towpath update`."""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial as bind
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from ..errors import Exit
from ..forges import Forges
from ..repository import Repository
from ..template import Template
from . import app
from .fleet import each, members
from .options import AnswersFile, AsJson, Cache, Data, Jobs, LogFolder, Selectors, ShardOf, TemplateSource, To, answers
from .text import console, show_error, show_plan

if TYPE_CHECKING:
    from ..plan import Plan


@app.command()
def update(
    repositories: Selectors,
    to: To = None,
    data: Data = None,
    branch: Annotated[str, typer.Option(help="The branch that gets the commit.")] = "towpath/update",
    here: Annotated[
        bool,
        typer.Option(
            "--here",
            help="Then fast-forward the branch that is checked out, and the work tree with it, as `git merge` does.",
        ),
    ] = False,
    request: Annotated[
        bool,
        typer.Option(
            "--request",
            help="Push the branch to `origin` and open or refresh its one pull or merge request. Needs GITHUB_TOKEN or "
            "GITLAB_TOKEN. What conflicts stays as it is and is listed in the request.",
        ),
    ] = False,
    lock: Annotated[
        bool, typer.Option("--lock/--no-lock", help="Run `uv lock` when the update changes pyproject.toml.")
    ] = True,
    check: Annotated[
        str | None,
        typer.Option(
            help="A command that has to succeed on the result first, run in a clone of it, as in `uv run pytest`.",
            metavar="COMMAND",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Commit what merges even when other files conflict; those stay as they are."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do as `towpath plan` does.")] = False,
    template: TemplateSource = None,
    answers_file: AnswersFile = ".copier-answers.yml",
    as_json: AsJson = False,
    shard: ShardOf = None,
    jobs: Jobs = None,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Commit the newest release of the template on a branch of its own.

    The branch `towpath/update` gets one commit on top of the one that is checked out. Your work tree, index and current
    branch stay as they are, whatever is uncommitted in them; look at the update with `git diff HEAD...towpath/update`
    and take it with `git merge towpath/update`, or let `--here` do that.

    All or nothing: an update that meets a conflict, an answer that is no longer valid or a question without an answer
    stops before it changes anything, says why and ends with 3. Ctrl-C and crashes leave the repository as it was.
    Running it again changes nothing, or brings the branch up to date.

    - `towpath update . --here`: update this project

    - `towpath update . --check 'uv run pytest'`: only if its tests still pass

    - `towpath update . --request`: all that a scheduled job needs
    """
    selected = members(repositories, shard)
    if not (request or dry_run) and (remote := [member.name for member in selected if not member.local]):
        raise typer.BadParameter(f"{remote[0]} is not on this machine; add --request or --dry-run")
    wanted = _Wanted(to, answers(data), branch, here, request, lock, check, partial, dry_run)
    code = Exit.DONE
    found: list[dict[str, Any]] = []
    for outcome in each(selected, bind(_update, wanted), template, answers_file, cache, log, jobs):
        if outcome.error:
            code = Exit.BLOCKED if outcome.error.exit is Exit.BLOCKED else code or Exit.PROBLEM
            found.append({"name": outcome.name, "problem": outcome.error.message})
            show_error(outcome.name, outcome.error.message)
            continue
        assert outcome.value
        planned, done = outcome.value
        planned, done["name"] = replace(planned, name=outcome.name), outcome.name
        if done["state"] == "blocked":
            code = Exit.BLOCKED
        found.append({"plan": planned.to_json(), **done})
        if not as_json:
            show_plan(planned)
            _show_result(done, here)
    if as_json:
        typer.echo(json.dumps(found, indent=2, default=str))
    raise typer.Exit(code)


@dataclass(frozen=True)
class _Wanted:
    to: str | None
    data: dict[str, str]
    branch: str
    here: bool
    request: bool
    lock: bool
    check: str | None
    partial: bool
    dry_run: bool


def _update(wanted: _Wanted, repository: Repository, template: Template) -> tuple["Plan", dict[str, Any]]:
    from ..plan import plan as compute

    planned = compute(repository, template, wanted.to, wanted.data)
    if wanted.dry_run:
        return planned, {"state": planned.state}
    options: dict[str, Any] = {"branch": wanted.branch, "lock": wanted.lock, "check": wanted.check}
    if wanted.request:
        from ..publish import LABELS, publish

        result, opened = publish(repository, planned, Forges(), **options, labels=LABELS)
        return planned, {**asdict(result), "request": opened and opened.url}

    from ..update import fast_forward
    from ..update import update as apply

    if wanted.here:
        fast_forward(repository, None)
    result = apply(repository, planned, **options, partial=wanted.partial)
    if wanted.here and result.commit:
        fast_forward(repository, result)
    return planned, {**asdict(result), "request": None}


def _show_result(done: dict[str, Any], here: bool) -> None:
    if done.get("request"):
        console.print(Text(f"  request   {done['request']}"))
    elif done.get("branch") and here:
        console.print(Text("  done      your branch and work tree have it"))
    elif done.get("branch"):
        console.print(Text(f"  done      on {done['branch']}; take it with `git merge {done['branch']}`"))
