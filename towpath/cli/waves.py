"""`towpath waves`: a release through a fleet, a few repositories first."""

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import Exit
from ..fleet import Fleet, Member, Problem, open_template, visit
from ..forges import Forges
from ..repository import Repository
from ..template import Template
from ..waves import Gate, Rollout, Run, Standing, Store, WavesError, divide
from . import app
from .fleet import members
from .options import Cache, Jobs, LogFolder, Selectors, TemplateSource, To
from .text import console, errors

waves = typer.Typer(
    no_args_is_help=True,
    help="""Bring a release to a fleet in waves.

`start` divides the fleet (canaries, then 10 %, then all), writes that to a file and opens the requests of the first
wave. `continue` looks at what became of them and opens those of the next wave once the wave before is merged, or green;
call it from a scheduled job, or with `--watch`. When more of a wave fails than `--abort-over` allows, it pauses.

The file holds all there is to know. Everything is safe to repeat: a run that was killed is continued by `continue`.

Exit codes: 0 finished; 3 paused; 5 waiting for requests to be merged or to become green; others as everywhere.
""",
)
app.add_typer(waves, name="waves")

File = Annotated[Path, typer.Argument(help="The file of the rollout.", metavar="FILE", show_default=False)]
Lock = Annotated[bool, typer.Option("--lock/--no-lock", help="Run `uv lock` when pyproject.toml changes.")]
Check = Annotated[
    str | None, typer.Option("--check", help="A command that has to succeed on each result first.", metavar="COMMAND")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do and write nothing.")]
Watch = Annotated[
    int | None, typer.Option(help="Go on by itself: look again every so many minutes until it ends.", min=1)
]


@waves.command()
def start(
    repositories: Selectors,
    state: Annotated[Path, typer.Option("--state", help="The file to write.", metavar="FILE")] = Path("rollout.json"),
    to: To = None,
    canary: Annotated[list[str] | None, typer.Option(help="A repository of the first wave.", metavar="NAME")] = None,
    canary_topic: Annotated[
        str | None, typer.Option(help="Repositories with this topic are in the first wave.", metavar="TOPIC")
    ] = None,
    steps: Annotated[
        str, typer.Option(help="How many percent of the rest each further wave reaches.", metavar="PERCENT,...")
    ] = "10,100",
    gate: Annotated[Gate, typer.Option(help="What a wave must be before the next one starts.")] = "merged",
    abort_over: Annotated[
        float, typer.Option(help="Pause when more of a wave fails, in percent.", min=0, max=100)
    ] = 10,
    auto_merge: Annotated[bool, typer.Option("--auto-merge", help="Merge requests that are green.")] = False,
    template: TemplateSource = None,
    lock: Lock = True,
    check: Check = None,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Divide a fleet into waves and begin with the first.

    - `towpath waves start github:acme --canary acme/site --canary-topic canary --gate green --dry-run`
    """
    since = time.time()
    selected = members(repositories)
    divided = divide(selected, canary or [], canary_topic, _percentages(steps))
    source = template or _source(selected, cache, since)
    rollout = Rollout(
        schema=1,
        template=source,
        version=to or open_template(source, cache, since).latest,
        waves=[name for name, _ in divided],
        gate=gate,
        abort_over=abort_over,
        auto_merge=auto_merge,
        repositories={m.name: _standing(m, number) for number, (_, wave) in enumerate(divided) for m in wave},
    )
    if dry_run:
        _show(rollout)
        _foresee(rollout, cache, jobs, log)
        return
    store = Store(state)
    store.create(rollout)
    _run(Run(store, Forges(), since, cache, jobs, log, lock, check, _tell), None)


@waves.command("continue")
def go_on(
    file: File,
    watch: Watch = None,
    lock: Lock = True,
    check: Check = None,
    dry_run: DryRun = False,
    jobs: Jobs = None,
    log: LogFolder = None,
    cache: Cache = None,
) -> None:
    """Look at what became of the requests, and start the next wave if it may start."""
    members([])
    store = Store(file)
    if dry_run:
        rollout = store.read()
        _show(rollout)
        _foresee(rollout, cache, jobs, log)
        return
    _run(Run(store, Forges(), time.time(), cache, jobs, log, lock, check, _tell), watch)


@waves.command()
def show(file: File, as_json: Annotated[bool, typer.Option("--json", help="Print the file.")] = False) -> None:
    """Show how far a rollout is, as of its last run."""
    rollout = Store(file).read()
    if as_json:
        typer.echo(rollout.to_json())
    else:
        _show(rollout)


@waves.command()
def pause(
    file: File, why: Annotated[str, typer.Option(help="What the others should know.")] = "paused by hand"
) -> None:
    """Stop before the next step; a run that is at work stops as well. Open requests stay open."""
    Store(file).pause(why)


@waves.command()
def resume(
    file: File,
    abort_over: Annotated[
        float | None, typer.Option(help="Another threshold from now on, in percent.", min=0, max=100)
    ] = None,
) -> None:
    """Let a paused rollout go on at the next `continue`, which tries again what failed."""
    Store(file).resume(abort_over)


def _run(run: Run, watch: int | None) -> None:
    rollout = run.go()
    while watch and not (rollout.paused or rollout.finished):
        time.sleep(60 * watch)
        rollout = run.go()
    _show(rollout)
    raise typer.Exit(Exit.BLOCKED if rollout.paused else Exit.DONE if rollout.finished else Exit.WAITING)


def _show(rollout: Rollout) -> None:
    console.print(f"{rollout.version} of {rollout.template}", markup=False)
    table = Table("wave", *OUTCOMES, "need a person", box=None)
    for number, name in enumerate(rollout.waves):
        wave = list(rollout.wave(number).values())
        counts = [sum(standing.outcome == outcome for standing in wave) for outcome in OUTCOMES]
        table.add_row(name, *map(str, counts), str(sum(standing.failing for standing in wave)))
    console.print(table)
    for name, standing in rollout.repositories.items():
        if standing.failing:
            why = standing.why or ("files to merge by hand" if standing.by_hand else f"checks {standing.checks}")
            console.print(f"  {name}: {why} {standing.request}".rstrip(), markup=False)
    if rollout.paused:
        console.print(f"paused: {rollout.paused}", markup=False)


OUTCOMES = ("waiting", "requested", "merged", "current", "failed")


def _foresee(rollout: Rollout, cache: Path | None, jobs: int | None, logs: Path | None) -> None:
    """What the next requests would be."""
    from ..plan import plan

    number = next((s.wave for s in rollout.repositories.values() if s.outcome == "waiting"), None)
    if number is None:
        console.print("nothing is left to ask for")
        return
    waiting = [(n, s) for n, s in rollout.wave(number).items() if s.outcome == "waiting"]
    name = rollout.waves[number]
    console.print(f"wave {name} would be asked next:", markup=False)
    selected = [Member(n, s.url, s.forge, s.branch, s.local) for n, s in waiting]
    work = partial(plan, to=rollout.version)
    task = partial(visit, work, rollout.template, cache, ".copier-answers.yml", time.time())
    for member, outcome in Fleet(task, jobs, logs).run(selected):
        said = outcome.message if isinstance(outcome, Problem) else f"{outcome.state}, {len(outcome.files)} files"
        console.print(f"  {member.name}: {said}", markup=False)


def _standing(member: Member, wave: int) -> Standing:
    return Standing(url=member.url, forge=member.forge, branch=member.branch, local=member.local, wave=wave)


def _source(selected: list[Member], cache: Path | None, since: float) -> str:
    """The template of the first repository that says what its template is."""
    task = partial(visit, _named_source, None, cache, ".copier-answers.yml", since)
    for _, outcome in Fleet(task, 1).run(selected):
        if isinstance(outcome, str):
            return outcome
    raise WavesError("None of these repositories could be read, or none was made from a template.")


def _named_source(repository: Repository, template: Template) -> str:  # noqa: ARG001
    return repository.source


def _percentages(text: str) -> list[float]:
    try:
        steps = [float(step) for step in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"write percentages, as in 10,50,100, not {text}", param_hint="--steps") from error
    if steps != sorted(set(steps)) or not 0 < steps[0] <= steps[-1] == 100:
        raise typer.BadParameter("percentages must rise, and end in 100", param_hint="--steps")
    return steps


def _tell(line: str) -> None:
    errors.print(line, markup=False)
