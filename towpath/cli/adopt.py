"""`towpath adopt`."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.prompt import Confirm, Prompt
from rich.text import Text

from ..errors import Exit
from . import app
from .options import AsJson, Cache, Data, answers
from .text import console

Patterns = list[str] | None


@app.command()
def adopt(
    path: Annotated[Path, typer.Argument(help="The repository, or a project's folder in one.")] = Path(),
    template: Annotated[
        str | None,
        typer.Option(
            help="The template to join; by default the repository that this tool was installed from.", metavar="SOURCE"
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Its version, by default the newest.", metavar="VERSION")
    ] = None,
    data: Data = None,
    replace: Annotated[
        Patterns, typer.Option(help="Replace your managed file with the template's; may be a pattern.", metavar="PATH")
    ] = None,
    keep: Annotated[
        Patterns, typer.Option(help="Keep your managed file and own it, as happens by default.", metavar="PATH")
    ] = None,
    remove: Annotated[
        Patterns, typer.Option(help="Do without a managed file; yours is deleted.", metavar="PATH")
    ] = None,
    seed: Annotated[
        Patterns, typer.Option(help="Write a seeded file that you do not have, once.", metavar="PATH")
    ] = None,
    branch: Annotated[str, typer.Option(help="The branch that gets the commit.")] = "towpath/adopt",
    here: Annotated[
        bool, typer.Option("--here", help="Then fast-forward the branch that is checked out, with the work tree.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take what is proposed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen; ask and write nothing.")] = False,
    as_json: AsJson = False,
    cache: Cache = None,
) -> None:
    """Let an existing repository join a template.

    Reads pyproject.toml or requirements, Dockerfile, Compose files, pipelines and remotes, and proposes an answer to
    each of the template's questions, with its evidence. Then it says what happens to each path, and what the project
    still lacks. Nothing is written before you agree; the result is one commit on the branch `towpath/adopt`.

    Afterwards each path has one owner, so that the next update is clean:

    - a managed file that you do not have is written;

    - one that you have stays yours and goes into `ejected`, or is replaced when you say so;

    - one that you do not want goes into `removed`;

    - a seeded file that you have stays; one that you do not have is written only with `--seed`, because your project
      has a source of its own.

    On a terminal it asks; in a script, give `--yes`, or `--dry-run` to look first.

    - `towpath adopt . --dry-run`: what it found and what it would do

    - `towpath adopt . --yes --replace Dockerfile --data database=none`: without questions
    """
    from .. import adopt as adoption
    from ..template import Template
    from ..update import fast_forward

    source = template or adoption.default_source()
    if source is None:
        raise typer.BadParameter("name the template that the repository joins, as in --template gh:ORG/towpath")
    repository = adoption.open_project(path)
    if not dry_run:
        adoption.require_clean(repository)
    origin = Template.open(source, cache)
    version = to or origin.latest
    given = answers(data)
    if taken := sorted({"ejected", "removed"} & given.keys()):
        raise typer.BadParameter(f"say which paths with --keep, --remove and --replace, not with --data {taken[0]}=…")
    proposals = adoption.propose(repository, origin, version)
    interactive = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    proposals = [proposal for proposal in proposals if proposal.answer not in given]
    choices = adoption.Choices(replace or [], keep or [], remove or [], seed or [])
    if interactive:
        _show_proposals(repository.name, origin.source, version, proposals, given)
        chosen = adoption.ask(origin, version, proposals, given)
        _ask_about_paths(repository, adoption.prepare(repository, origin, version, chosen, choices), choices)
    else:
        chosen = {proposal.answer: proposal.value for proposal in proposals} | given
    plan = adoption.prepare(repository, origin, version, chosen, choices)
    if unasked := sorted(given.keys() - plan.answers.keys()):
        raise typer.BadParameter(f"the template does not ask for {unasked[0]} with these answers")
    proposals = [proposal for proposal in proposals if proposal.answer in plan.answers]
    if not as_json:
        if not interactive:
            _show_proposals(repository.name, origin.source, version, proposals, given)
        _show_plan(plan)
    agreed = not dry_run and (yes or (interactive and Confirm.ask("Commit this?", console=console, default=False)))
    if agreed and here:
        fast_forward(repository, None)
    result = adoption.adopt(repository, plan, branch=branch) if agreed else None
    if result and here:
        fast_forward(repository, result)
    if as_json:
        evidence = {proposal.answer: proposal.because for proposal in proposals}
        done = {"branch": result and result.branch, "commit": result and result.commit}
        typer.echo(json.dumps({**plan.to_json(), "evidence": evidence, **done}, indent=2, default=str))
    elif result:
        where = "your branch and work tree have it" if here else f"it is on {branch}; take it with `git merge {branch}`"
        console.print(Text(f"Done: {where}."))
    else:
        console.print(Text("Nothing was written." + ("" if interactive else " Say --yes to do this.")))
    if not agreed and not dry_run and not interactive:
        raise typer.Exit(Exit.USAGE)


def _show_proposals(name: str, source: str, version: str, proposals: list[Any], given: dict[str, Any]) -> None:
    console.print(Text.assemble((name, "bold"), f" would join {source} at {version} with these answers:"))
    for proposal in proposals:
        _show_answer(proposal.answer, proposal.value, proposal.because)
    for answer, value in given.items():
        _show_answer(answer, value, "you said so")


def _show_answer(answer: str, value: object, because: str) -> None:
    shown = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    console.print(Text.assemble(f"  {answer}: ", (shown, "bold"), (f", because {because}", "dim")))


def _show_plan(plan: Any) -> None:
    from ..adopt import Choice, State

    styles = {
        "new": "green",
        "write once": "green",
        "keep yours": "yellow",
        "ours replaces yours": "red",
        "do without": "red",
    }
    lines: dict[tuple[str, str, str], list[str]] = {}
    for path in plan.paths:
        what = path.choice.value
        if path.state is State.IDENTICAL:
            what = "identical"
        elif path.choice is Choice.WRITE:
            what = "new"
        yours = f" ({path.yours} is there)" if path.yours else ""
        # A person decides on managed files one by one, and on seeded ones by their folder.
        top, _, below = path.path.partition("/")
        shown = f"{top}/" if below and path.owner == "seeded" else f"{path.path}{yours}"
        lines.setdefault((path.owner, what, shown), []).append(path.path)
    console.print(Text("What happens to each path:"))
    for (owner, what, shown), paths in lines.items():
        number = f" ({len(paths)} file{'s' * (len(paths) > 1)})" if shown.endswith("/") else ""
        console.print(Text.assemble(f"  {owner:<8} ", (f"{what:<20}", styles.get(what, "dim")), f" {shown}{number}"))
    if plan.gaps:
        console.print(Text("What the project still lacks for the managed files to work:"))
        for gap in plan.gaps:
            console.print(Text.assemble(f"  {gap.file}: {gap.missing} ", (gap.todo, "dim")))
    else:
        console.print(Text("Nothing that the managed files count on was found missing."))


def _ask_about_paths(repository: Any, plan: Any, choices: Any) -> None:
    """Ask what happens to each managed file that exists and differs, and which others are wanted."""
    from ..adopt import Choice, State, difference

    for path in plan.paths:
        decidable = path.owner == "managed" and path.state in {State.DIFFERS, State.DISPLACES}
        if not decidable or path.choice is not Choice.KEEP or path.path in choices.keep:
            continue
        question = f"{path.path}: keep yours{f' ({path.yours})' if path.yours else ''}, replace it, or see the diff?"
        while (
            answer := Prompt.ask(question, choices=["keep", "replace", "diff"], default="keep", console=console)
        ) == "diff":
            console.print(Text(difference(repository, plan, path)))
        (choices.replace if answer == "replace" else choices.keep).append(path.path)
    new = [path.path for path in plan.paths if path.choice in {Choice.WRITE, Choice.LEAVE} and path.state is State.NEW]
    managed = {path.path for path in plan.paths if path.owner == "managed"}
    for label, target, offered in (
        ("New managed files that you do not want", choices.remove, [path for path in new if path in managed]),
        ("Seeded files to write once", choices.seed, [path for path in new if path not in managed]),
    ):
        if offered:
            # Seeded files are many, and chosen by their folder.
            shown = (
                offered if target is choices.remove else dict.fromkeys(re.sub("/.*", "/*", path) for path in offered)
            )
            console.print(Text(f"{label}: none, or some of {' '.join(shown)}"))
            words = Prompt.ask("Paths or patterns", default="none", console=console)
            if words != "none":
                target += words.replace(",", " ").split()
