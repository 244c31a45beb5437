"""What plans and updates look like in a terminal and in a log."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from ..plan import Plan
    from ..report import Report

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_STATES = {"current": "dim", "clean": "green", "blocked": "bold red"}


def show_error(name: str, error: str) -> None:
    """A line on standard error."""
    errors.print(Text.assemble(("" if name in error else f"{name}: ", "bold"), (error, "red")))


def show_report(report: "Report", *, as_json: bool, page: Path | None) -> None:
    """A report in the form that was asked for."""
    from ..report.page import render
    from ..report.table import show

    if page:
        page.write_text(render(report), encoding="utf-8")
    if as_json:
        typer.echo(report.to_json())
        return
    show(report, console)
    for row in report.repositories:
        if row.problem:
            show_error(row.name, row.problem)


def show_plan(plan: "Plan") -> None:
    """A plan: one line that says how it stands, then a line per fact."""
    step = plan.old if plan.state == "current" else f"{plan.old} → {plan.new}"
    console.print(Text.assemble((plan.name, "bold"), f": {step}, ", (plan.state, _STATES[plan.state])))
    for path, what in plan.files.items():
        merged = f" (merged with your edits, by {plan.merged[path]})" if path in plan.merged else ""
        _line(what, f"{path}{merged}", "green" if what == "added" else "red" if what == "deleted" else "")
        for hunk in plan.hunks.get(path, "").splitlines()[2:]:
            console.print(Text(f"{' ' * 12}{hunk}", "green" if hunk[0] == "+" else "red" if hunk[0] == "-" else "dim"))
    for change in plan.changes:
        if change.state != "present":
            done = "" if change.state == "applied" else " (do this by hand: the file is not as expected)"
            _line("asked", f"{change.file}: {change.instruction}{done}. {change.why}", "yellow")
    for lost in plan.lost_edits:
        _line("at risk", f"{lost.path}: plain `copier update` loses your edits; {lost.cause}", "yellow")
    for reason in plan.reasons:
        _line("blocked", reason, "red")
    for question in plan.forgotten:
        _line("forgotten", f"the answer {question.name} ({question.old!r}); {question.why}", "dim")


def _line(label: str, text: str, style: str) -> None:
    console.print(Text.assemble("  ", (f"{label:<9}", style), " ", text))
