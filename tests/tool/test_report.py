"""Reports: a page that needs nothing else and data that others may rely on."""

import json
import subprocess
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from openapi_schema_validator import OAS31Validator
from playwright.sync_api import sync_playwright

from towpath.report import Conflict, Outlook, Report, Request, Row, merge
from towpath.report.page import ages, render, versions

from ..conftest import ROOT, skip_unless_ci
from .fleets import towpath

HOSTILE = '<script>alert("x")</script>&amp;{{ 7 * 7 }}'


def row(name: str, behind: int = 0, **more: object) -> Row:
    known = {"version": f"v1.{9 - behind}.0", "latest": "v1.9.0", "behind": behind, "released": date(2026, 1, 1)}
    return Row.model_validate({"name": name, "template": "gh:acme/towpath", **known, **more})


FLEET = Report.now(
    [
        row("acme/current"),
        row("acme/behind", 2, drift={"Dockerfile": "edited", "compose.yaml": "missing", "a": "edited", "b": "same"}),
        row(
            "acme/blocked",
            3,
            url="https://example.com/acme/blocked",
            request=Request(url="https://example.com/1", opened=datetime(2026, 1, 2, tzinfo=UTC)),
            outlook=Outlook(state="blocked", files=3, conflicts=[Conflict(path="Dockerfile", cause=HOSTILE)]),
        ),
        row("acme/" + "a-very-long-name-" * 8, 1),
        Row(name=HOSTILE, problem=HOSTILE),
    ]
)


def test_what_repositories_say_of_themselves_stays_text() -> None:
    page = render(FLEET, title=HOSTILE)
    assert "<script" not in page
    assert page.count("{{ 7 * 7 }}") >= 4
    assert page.count("&lt;script&gt;") >= 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_needs_nothing_else_and_fits_small_screens(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "fleet.html").write_text(render(FLEET), encoding="utf-8")
    asked = []
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        except Exception as error:
            skip_unless_ci(f"needs Debian's chromium: {str(error)[:200]}")
        page = browser.new_page(color_scheme=scheme, viewport={"width": 360, "height": 800})  # type: ignore[arg-type]
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{tmp_path}/fleet.html")
        width = page.evaluate("document.documentElement.scrollWidth")
        pairs = page.evaluate("""() => [...document.querySelectorAll('p, th, td, dt, dd, a, caption')].map(element => {
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        })""")
        browser.close()
    assert asked == [f"file://{tmp_path}/fleet.html"]
    assert width == 360
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(first: str, second: str) -> float:
    """The ratio that accessibility guidelines ask to be 4.5 at least."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(first), luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def test_an_empty_fleet_has_a_page_too() -> None:
    assert "repositories" in render(Report.now([]))


def test_versions_are_ordered_and_ages_counted() -> None:
    fleet = [row("a", 1), row("b", 1), row("c", 8), row("d", 0)]
    assert [(bar.label, bar.count) for bar in versions(fleet)] == [("v1.9.0", 1), ("v1.8.0", 2), ("v1.1.0", 1)]
    assert [bar.count for bar in ages(fleet, date(2026, 5, 1))] == [0, 0, 4, 0, 0]


def test_of_two_reports_the_newer_one_is_believed() -> None:
    old = Report(schema=1, made=datetime(2026, 1, 1, tzinfo=UTC), repositories=[row("a", 3), row("b", 1)])
    new = Report(schema=1, made=datetime(2026, 1, 2, tzinfo=UTC), repositories=[row("a")])
    merged = merge([new, old])
    assert [(found.name, found.behind) for found in merged.repositories] == [("a", 0), ("b", 1)]
    assert merged.made == new.made


def test_reports_are_as_their_schema_says(tmp_path: Path) -> None:
    schema = json.loads(towpath(None, tmp_path, "report", "--schema").stdout)
    OAS31Validator(schema).validate(json.loads(FLEET.to_json()))
    (tmp_path / "report.json").write_text(FLEET.to_json())
    assert Report.read(tmp_path / "report.json") == FLEET


@pytest.mark.parametrize("workflow", sorted((ROOT / "docs/workflows").iterdir()), ids=lambda path: path.name)
def test_the_workflows_to_copy_are_sound(workflow: Path, tmp_path: Path) -> None:
    on_github = "github" in workflow.name
    schema = "vendor.github-workflows" if on_github else "vendor.gitlab-ci"
    commands = [["check-jsonschema", "--builtin-schema", schema, str(workflow)]]
    if on_github:
        (tmp_path / ".github/workflows").mkdir(parents=True)
        copy = tmp_path / ".github/workflows" / workflow.name
        copy.write_text(workflow.read_text())
        commands += [
            ["actionlint", "-oneline", str(copy)],
            ["zizmor", "--offline", "--pedantic", "--no-progress", str(tmp_path)],
        ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
