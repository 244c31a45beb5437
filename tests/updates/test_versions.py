"""One version, wherever it is written."""

import re
import tomllib

from ..conftest import ROOT
from .releases import HistoryError, commits, order


def version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def entries() -> list[str]:
    return re.findall(r"^## (\d+\.\d+\.\d+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)


def test_the_changelog_begins_with_the_version_of_the_project() -> None:
    assert entries()[0] == version()


def test_the_changelog_has_an_entry_for_every_release_in_order() -> None:
    assert entries() == sorted(entries(), key=order, reverse=True)
    try:
        released = [tag.removeprefix("v") for tag in commits()]
    except HistoryError:
        return
    assert set(released) <= set(entries())
    assert order(version()) >= order(released[-1])


def test_pins_name_the_tool_in_this_version() -> None:
    """Pipelines of projects run the tool of the release that they were updated to."""
    pinned = re.findall(r"set version = '([\d.]+)'", (ROOT / "extensions/pins.jinja").read_text())
    assert set(pinned) <= {version()}


def test_the_tool_runs_with_the_packages_that_it_is_tested_with() -> None:
    """`uvx` reads no lock, so the pipelines of projects name the day that this repository is resolved at."""
    (day,) = re.findall(r"set resolved = '([\d-]+)'", (ROOT / "extensions/pins.jinja").read_text())
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["exclude-newer"] == f"{day}T00:00:00Z"
