"""Renovate: each file and each pin has one bot, and the presets are what Renovate itself accepts."""

import fnmatch
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from ..combinations import COMBINATIONS
from ..conftest import ROOT, Generate
from ..project import Project
from ..test_ownership import Ownership, owners
from .conftest import RENOVATE, npm_install

PRESETS = {name: json.loads((ROOT / f"renovate/{name}.json").read_text()) for name in ("service", "template")}

WORKFLOWS = sorted((ROOT / "docs/workflows").iterdir())


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Renovate's commands."""
    return npm_install(tmp_path_factory.mktemp("renovate"), RENOVATE)


def disabled(path: str) -> bool:
    """Whether the preset for services keeps Renovate away from a path."""
    patterns: list[str] = PRESETS["service"]["packageRules"][0]["matchFileNames"]
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def test_no_file_is_owned_by_two_bots(generate: Generate, ownership: Ownership) -> None:
    for answers in (COMBINATIONS[0], {"app_type": "static"}, {"app_type": "ml"}):
        project = generate("towpath-ci-lint", **answers, ci=["github", "gitlab"], deploy="compose")
        for path in project.rendered:
            assert disabled(path) == (owners(path, ownership) == ["managed"]), path


def test_the_preset_names_what_the_table_names_and_no_more(ownership: Ownership) -> None:
    named = PRESETS["service"]["packageRules"][0]["matchFileNames"]
    assert named == [path.lstrip("/") + ("**" if path.endswith("/") else "") for path in ownership["managed"]]


@pytest.mark.parametrize(("ci", "presets"), [(["github"], ["service"]), (["gitlab"], ["service"]), ([], list(PRESETS))])
def test_updates_of_the_template_are_opened_by_one_bot(generate: Generate, ci: list[str], presets: list[str]) -> None:
    project = generate("towpath-ci-bots", ci=ci)
    extends = json.loads(project.text("renovate.json"))["extends"]
    assert extends == [f"github>ORG/towpath//renovate/{preset}" for preset in presets]
    has_update_job = any("towpath update" in project.text(path) for path in project.rendered if path.endswith(".yml"))
    assert has_update_job == ("template" not in presets)


def test_a_release_has_to_be_a_week_old_unless_it_closes_a_hole() -> None:
    for configuration in (PRESETS["service"], json.loads((ROOT / "renovate.json").read_text())):
        assert configuration["minimumReleaseAge"] == "7 days"
        assert configuration["internalChecksFilter"] == "strict"
    assert PRESETS["service"]["vulnerabilityAlerts"] == {"minimumReleaseAge": None}


def test_every_pin_is_moved_by_one_rule() -> None:
    pins = (ROOT / "extensions/pins.jinja").read_text()
    managers: Any = json.loads((ROOT / "renovate.json").read_text())["customManagers"]
    patterns = [
        pattern.replace("(?<", "(?P<")
        for manager in managers
        if "extensions/pins.jinja" in manager["managerFilePatterns"]
        for pattern in manager["matchStrings"]
    ]
    # Every value with a digit is a version, but for what other pins make up and what a release of this template says.
    for line in pins.splitlines():
        if re.search(r"(: |= )'[^']*\d", line) and not re.search(r"~|set (version|resolved)", line):
            assert sum(re.search(pattern, line) is not None for pattern in patterns) == 1, line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_to_copy_names_what_the_template_names(workflow: Path) -> None:
    """Nothing renders it, so it repeats the pins."""
    pins: Any = Environment(loader=FileSystemLoader(ROOT)).get_template("extensions/pins.jinja").module
    named = re.findall(r"(?:uses|image): (.+)", workflow.read_text())
    assert named
    assert set(named) <= {*pins.actions.values(), pins.pipeline_images["workspace"]}
    assert re.findall(r"TOWPATH: .*@(.+)", workflow.read_text()) == [f"v{pins.version}"]
    assert set(re.findall(r"uvx --exclude-newer (\S+) --from", workflow.read_text())) == {pins.resolved}


def test_one_rule_moves_a_pin_in_the_template_and_in_the_workflows_to_copy(commands: Path, tmp_path: Path) -> None:
    """By what Renovate itself finds: what one rule finds in two files, it moves in one request."""
    repository = Project(tmp_path / "repository")
    for path in (ROOT / "renovate.json", ROOT / "extensions/pins.jinja", *WORKFLOWS):
        copied = repository.path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)
    repository.git("init", "--quiet")
    repository.commit()
    command = ["node", str(commands / "renovate"), "--platform=local", "--dry-run=extract"]
    printed = repository.run(*command, LOG_FORMAT="json", LOG_LEVEL="debug", RENOVATE_BASE_DIR=str(tmp_path / "base"))
    said = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    (extracted,) = [line["packageFiles"] for line in said if "packageFiles" in line]
    found: dict[str, set[tuple[str, ...]]] = {}
    for manager, files in extracted.items():
        for file in files:
            for pin in file["deps"]:
                moved = (manager, pin["datasource"], pin["depName"], pin["currentValue"], pin.get("currentDigest", ""))
                found.setdefault(file["packageFile"], set()).add(moved)
    for workflow in WORKFLOWS:
        pins = found[str(workflow.relative_to(ROOT))]
        assert pins <= found["extensions/pins.jinja"]
        actions = set(re.findall(r"uses: (\S+)@", workflow.read_text()))
        assert {name for _, _, name, _, _ in pins} == (actions or {"uv", "python"})


def test_renovate_accepts_every_configuration(project: Project, commands: Path, tmp_path: Path) -> None:
    files = [ROOT / "renovate.json", *sorted(ROOT.glob("renovate/*.json")), project.path / "renovate.json"]
    command = ["node", str(commands / "renovate-config-validator"), "--strict", "--no-global", *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"validated successfully against {len(files)} file(s)" in done.stdout + done.stderr
    (tmp_path / "wrong.json").write_text('{"extends": "a preset"}')
    wrong = [*command[:4], "wrong.json"]
    assert subprocess.run(wrong, cwd=tmp_path, capture_output=True, timeout=300).returncode
