"""The results as a table, a plot and JSON."""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Measurements = dict[str, dict[str, list[float]]]

REFERENCE = "uv-example"
TITLES = {
    "towpath-prod": "Towpath",
    "towpath-distroless": "Towpath, distroless",
    "pip": "pip, as first written",
    "docker-init": "pip, as `docker init` writes it",
    "poetry": "Poetry, two stages",
    "guide": "uv, as many guides have it",
    "uv-example": "uv, as its own example has it",
    "distroless": "pip on distroless",
}


@dataclass(frozen=True)
class Column:
    """Something measured.

    Attributes:
        title: What it is, with its unit.
        show: The figure as a person reads it.
    """

    title: str
    show: Callable[[float], str]


def seconds(value: float) -> str:
    """Seconds to two digits after the point."""
    return f"{value:.2f}"


def megabytes(value: float) -> str:
    """Bytes as whole megabytes."""
    return f"{value / 1e6:.0f}"


COLUMNS = {
    "cold": Column("cold build, s", seconds),
    "code": Column("code change, s", seconds),
    "dependency": Column("dependency added, s", seconds),
    "unchanged": Column("nothing changed, s", seconds),
    "pushed": Column("pushed after an edit, kB", lambda value: f"{value / 1e3:,.0f}"),
    "size": Column("image, MB", megabytes),
    "start": Column("start to first answer, s", seconds),
    "memory": Column("memory, MB", megabytes),
    "requests": Column("requests/s", lambda value: f"{value:.0f}"),
}
PLOTTED = {
    "cold": "cold build, s",
    "code": "rebuild after a code change, s",
    "start": "start to first answer, s",
    "size": "image, MB",
}


@dataclass(frozen=True)
class Results:
    """All that one run of the benchmark found out.

    Attributes:
        date: When, as YYYY-MM-DD.
        machine: What it ran on.
        runs: How often everything was measured.
        source_bytes: The size of the application's `src/`.
        measurements: By contestant and column; seconds, bytes, and requests per second.
        composition: Bytes of our production image and of its parts.
    """

    date: str
    machine: dict[str, Any]
    runs: int
    source_bytes: int
    measurements: Measurements
    composition: dict[str, float]

    def medians(self) -> dict[str, dict[str, float]]:
        """The median of each measurement."""
        return {
            name: {what: statistics.median(values) for what, values in measured.items()}
            for name, measured in self.measurements.items()
        }


def write(results: Results, folder: Path) -> None:
    """Write images.json, images.md and images.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    found = asdict(results) | {"medians": results.medians()}
    (folder / "images.json").write_text(json.dumps(found, indent=2) + "\n")
    (folder / "images.md").write_text(table(results))
    plot(results, folder / "images.svg")


def table(results: Results) -> str:
    """The medians, and the ratios that are goals."""
    medians, machine = results.medians(), results.machine
    times = "once" if results.runs == 1 else f"medians of {results.runs} runs"
    lines = [
        f"Measured on {results.date}, {times}, all in one run by turns: {machine['processors']} processors, "
        f"Docker {machine['engine']} ({machine['storage']}).",
        "",
        "![Build, start and size of each](images.svg)",
        "",
        f"| image | {' | '.join(column.title for column in COLUMNS.values())} |",
        f"|---{'|---:' * len(COLUMNS)}|",
    ]
    for name, values in medians.items():
        figures = [column.show(values[what]) for what, column in COLUMNS.items()]
        lines.append(f"| {TITLES[name]} | {' | '.join(figures)} |")
    if ratios := goals(results):
        lines += ["", "| ratio | measured | goal |", "|---|---:|---:|"]
        lines += [f"| {what} | {ratio:.2f} | ≤ {goal:.2f} |" for what, ratio, goal in ratios]
    return "\n".join([*lines, ""])


def goals(results: Results) -> list[tuple[str, float, float]]:
    """What is compared, the ratio, and the ratio that is wanted; for the contestants that took part."""
    medians = results.medians()
    ours, distroless, reference = (medians.get(name) for name in ("towpath-prod", "towpath-distroless", REFERENCE))
    found = []
    if ours:
        allowed = results.source_bytes + 4096
        parts = results.composition
        needed = parts["base"] + parts["wheels"] + parts["bytecode"]
        found += [
            ("rebuild after a code change ÷ nothing changed", ours["code"] / ours["unchanged"], 1.3),
            ("bytes pushed after an edit ÷ (size of `src/` + 4 kB)", ours["pushed"] / allowed, 1.0),
            ("image ÷ (base + files of the wheels + all bytecode)", parts["image"] / needed, 1.02),
        ]
    if ours and reference:
        found += [
            ("rebuild after a code change ÷ uv's example", ours["code"] / reference["code"], 0.2),
            ("cold build ÷ uv's example", ours["cold"] / reference["cold"], 0.9),
            ("start to first answer ÷ uv's example", ours["start"] / reference["start"], 0.45),
        ]
    if distroless and reference:
        found.append(("distroless image ÷ uv's example", distroless["size"] / reference["size"], 0.7))
    return found


def plot(results: Results, file: Path) -> None:
    """Bars for each contestant, legible on a light and on a dark page."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    text, other, own = "#24292f", "#8c959f", "#0b7a75"
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "towpath", "font.family": "sans-serif"})
    matplotlib.rcParams.update(dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), text))
    medians = results.medians()
    names = list(reversed(medians))
    height = 0.9 + 0.3 * len(names)
    figure, axes = pyplot.subplots(1, len(PLOTTED), sharey=True, figsize=(12, height), layout="constrained")
    for axis, (what, title) in zip(axes, PLOTTED.items(), strict=True):
        values = [medians[name][what] for name in names]
        colours = [own if name.startswith("towpath") else other for name in names]
        bars = axis.barh([TITLES[name].replace("`", "") for name in names], values, color=colours)
        axis.bar_label(bars, [COLUMNS[what].show(value) for value in values], padding=3, fontsize=9)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlim(0, max(values) * 1.25)
        axis.xaxis.set_visible(False)
        axis.tick_params(left=False)
        axis.spines[:].set_visible(False)
    figure.supxlabel(f"{results.date}, shorter is better", fontsize=8, x=0.99, ha="right")
    figure.savefig(file, transparent=True, metadata={"Date": None})
    pyplot.close(figure)
    dark = f'@media (prefers-color-scheme: dark) {{ [style*="{text}"] {{ fill: #e6edf3 !important }} }}'
    drawn = file.read_text().replace("</defs>", f"</defs>\n <style>{dark}</style>", 1)
    file.write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n")
