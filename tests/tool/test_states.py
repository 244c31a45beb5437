"""Where a repository stands is one of six states, the same in JSON, table, page and exit code."""

from pathlib import Path

import pytest

from towpath.report import Report, Row
from towpath.report.page import render

from ..project import Project
from .fleets import releases, rows, towpath
from .small import LINES, SmallTemplate, changed, edit

ANSWERS = ".copier-answers.yml"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> SmallTemplate:
    return releases(tmp_path_factory.mktemp("small"))


@pytest.fixture
def fleet(template: SmallTemplate, tmp_path: Path) -> dict[str, Project]:
    """A repository in each state, named by it."""
    found = {"current": template.project(tmp_path / "current", "v1.1.0")}
    for state in ("behind", "unknown", "unreachable", "broken"):
        found[state] = template.project(tmp_path / state)
    text = found["behind"].text(ANSWERS)
    edit(found["unknown"], {ANSWERS: changed(text, "_commit: v1.0.0", "_commit: v9.9.9")})
    edit(found["unreachable"], {ANSWERS: changed(text, str(template.path), str(tmp_path / "gone/small"))})
    edit(found["broken"], {ANSWERS: "_commit: [\n"})
    (tmp_path / "foreign").mkdir()
    found["foreign"] = Project(tmp_path / "foreign")
    found["foreign"].git("init", "--quiet", "--initial-branch=main")
    edit(found["foreign"], {"notes.txt": LINES})
    return found


def paths(fleet: dict[str, Project], *states: str) -> list[str]:
    return [str(fleet[state].path) for state in states or fleet]


def test_each_state_is_told_everywhere_and_the_counts_add_up(
    fleet: dict[str, Project], template: SmallTemplate, tmp_path: Path
) -> None:
    page = tmp_path / "fleet.html"
    asked = ["status", *paths(fleet), "--html", str(page)]
    found = rows(towpath(None, template.cache, *asked, "--json", exit_code=1))
    assert {name: row["state"] for name, row in found.items()} == {state: state for state in fleet}
    said = towpath(None, template.cache, "status", *paths(fleet), exit_code=1).stdout
    counts = "1 current, 1 behind, 1 unknown version, 1 not from a template, 1 template out of reach, 1 broken"
    assert f"6 repositories: {counts}" in said
    text = page.read_text()
    assert "50 %" in text, "of the two whose version is known, one is current"
    for words in ("of an unknown version", "not from a template", "with a template out of reach"):
        assert words in text


def test_a_repository_of_no_template_is_no_problem(fleet: dict[str, Project], template: SmallTemplate) -> None:
    towpath(None, template.cache, "status", *paths(fleet, "current", "foreign"))
    towpath(None, template.cache, "status", *paths(fleet, "current", "foreign"), "--check")
    towpath(None, template.cache, "status", *paths(fleet, "behind", "foreign"), "--check", exit_code=4)
    towpath(None, template.cache, "status", *paths(fleet, "unknown", "foreign"), exit_code=1)


def test_a_report_of_an_earlier_release_has_states_too() -> None:
    known = {"name": "a", "version": "v1", "latest": "v2"}
    read = [Row.model_validate(row) for row in (known, {**known, "behind": 1}, {"name": "a", "problem": "lost"})]
    assert [row.state for row in read] == ["current", "behind", "broken"]
    assert "lost" in render(Report.now(read))
