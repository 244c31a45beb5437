"""A report in a terminal, and as lines for a log."""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..errors import Standing
from .model import Report, Row

WORDS = {
    Standing.CURRENT: "current",
    Standing.BEHIND: "behind",
    Standing.UNKNOWN: "unknown version",
    Standing.FOREIGN: "not from a template",
    Standing.UNREACHABLE: "template out of reach",
    Standing.BROKEN: "broken",
}


def show(report: Report, console: Console) -> None:
    """Print a table where a person looks, else a line per repository; then the sums."""
    rows = [row for row in report.repositories if row.known]
    if console.is_terminal and rows:
        table = Table("repository", "version", "", "drift", "taken over or removed", "request", box=None)
        for row in rows:
            name = Text(row.name, style=f"link {row.url}" if row.url else "")
            table.add_row(name, row.version, _behind(row), _drift(row), _taken(row), _request(row))
        console.print(table)
    else:
        for row in rows:
            fields = (row.name, row.version, _behind(row).plain, _drift(row), _taken(row), _request(row))
            console.print("  ".join(filter(None, fields)), markup=False)
    if len(report.repositories) != 1:
        console.print(summary(report), markup=False)


def summary(report: Report) -> str:
    """The fleet in one line."""
    rows = report.repositories
    counts = Counter(
        {
            **{words: sum(row.state is state for row in rows) for state, words in WORDS.items()},
            "drifted": sum(bool(row.drifted) for row in rows),
            "blocked": sum(row.blocked for row in rows),
        }
    )
    said = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    return f"{len(rows)} repositories: {said or 'none'}"


def _behind(row: Row) -> Text:
    text = f"{row.behind} behind" if row.behind else "current"
    if row.blocked:
        return Text(f"{text}, blocked", "bold red")
    return Text(text, "yellow" if row.behind else "green")


def _drift(row: Row) -> str:
    if row.problem and not row.drift:
        return "not known"
    return ", ".join(f"{path} {how}" for path, how in row.drifted.items()) or "none"


def _taken(row: Row) -> str:
    return ", ".join([*(f"{path} taken over" for path in row.ejected), *(f"{path} removed" for path in row.removed)])


def _request(row: Row) -> str:
    return row.request.url if row.request else ""
