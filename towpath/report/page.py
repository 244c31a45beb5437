"""A report as one HTML file that needs nothing else."""

from collections import Counter
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from packaging.version import InvalidVersion, Version

from ..errors import Standing
from .model import Report, Row

AGES = (("under 30 days", 30), ("30 to 90 days", 90), ("90 days to half a year", 182), ("half a year to a year", 365))
OLDEST = "over a year"


@dataclass(frozen=True)
class Bar:
    """One bar of a chart.

    Attributes:
        label: What it stands for.
        count: How many repositories.
        share: The length, in percent of the longest bar.
        tone: `good`, `fair` or `poor`.
    """

    label: str
    count: int
    share: float
    tone: str = "plain"


def render(report: Report, title: str = "The fleet") -> str:
    """The page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files(__package__) / "page.html.jinja").read_text())
    rows = report.repositories
    known = [row for row in rows if row.known]
    today = report.made.date()
    return template.render(
        title=title,
        report=report,
        known=known,
        current=[row for row in known if not row.behind],
        behind=[row for row in known if row.behind],
        drifted=[row for row in known if row.drifted],
        blocked=[row for row in known if row.blocked],
        foreseen=any(row.outlook for row in known),
        requests=[row for row in known if row.request],
        untold=[row for row in rows if row.wrong],
        unknown=[row for row in rows if row.state is Standing.UNKNOWN],
        foreign=[row for row in rows if row.state is Standing.FOREIGN],
        unreachable=[row for row in rows if row.state is Standing.UNREACHABLE],
        versions=versions(known),
        ages=ages(known, today),
        files=_bars(Counter(path for row in known for path in row.drifted), 10),
        conflicts=_conflicts(known),
        templates=sorted({(row.template, row.latest) for row in known}),
        today=today,
        attention=sorted(known, key=lambda row: (-row.blocked, -row.behind, -len(row.drifted), row.name)),
    )


def versions(rows: list[Row]) -> list[Bar]:
    """How many repositories have which version, newest first."""
    counts = Counter(row.version for row in rows)
    behind = {row.version: row.behind for row in rows}
    longest = max(counts.values(), default=1)

    def order(version: str) -> tuple[int, Version]:
        try:
            return -behind[version], Version(version)
        except InvalidVersion:
            return -behind[version], Version("0")

    tones = {0: "good", 1: "fair"}
    return [
        Bar(version, counts[version], 100 * counts[version] / longest, tones.get(behind[version], "poor"))
        for version in sorted(counts, key=order, reverse=True)
    ]


def ages(rows: list[Row], today: date) -> list[Bar]:
    """How long ago the versions that repositories have were released."""
    counts = dict.fromkeys([*(label for label, _ in AGES), OLDEST], 0)
    for row in rows:
        if row.released:
            age = (today - row.released).days
            counts[next((label for label, days in AGES if age < days), OLDEST)] += 1
    longest = max(*counts.values(), 1)
    tones = ["good", "good", "fair", "poor", "poor"]
    return [Bar(label, n, 100 * n / longest, tone) for (label, n), tone in zip(counts.items(), tones, strict=True)]


def _bars(counts: Counter[str], most: int) -> list[Bar]:
    longest = max(counts.values(), default=1)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Bar(label, count, 100 * count / longest) for label, count in ordered[:most]]


def _conflicts(rows: list[Row]) -> list[tuple[str, str, list[str]]]:
    """Each cause of a conflict with the repositories that have it, most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for conflict in row.outlook.conflicts if row.outlook else ():
            found.setdefault((conflict.path, conflict.cause), []).append(row.name)
    return sorted(((*key, names) for key, names in found.items()), key=lambda item: (-len(item[2]), item[0]))
