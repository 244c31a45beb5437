"""Fixtures: the template with its history, and what became of the projects that were made along it."""

from pathlib import Path

import pytest

from ..conftest import skip_unless_ci
from .releases import HistoryError, with_candidate
from .replay import Result, cases, replay_all


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with every earlier release tagged and the working tree as the next."""
    try:
        return with_candidate(tmp_path_factory.mktemp("history"))
    except HistoryError as missing:
        skip_unless_ci(str(missing))


@pytest.fixture(scope="session")
def results(history: Path) -> list[Result]:
    """Projects of every earlier release and type, edited and updated to the working tree."""
    return replay_all(history, cases(history))
