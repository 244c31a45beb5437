"""The command line, with what people give it and the settings that they have."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..project import Project
from .fleets import rows, towpath
from .small import FILES, LINES, SmallTemplate, copy_of, edit

SAID = {
    "str": [
        "Orders #1 in town", "1.10", "yes", "0x10", "on", "A service: fast", "null", "2024-01-01", "[a]", "{x}",
        '"quoted" words', "@home", "", "a=b", "{{ name }}",
    ],
    "bool": ["yes", "off", "1", "0", ""],
    "int": ["7"],
    "float": ["1.10"],
    "yaml": ["[a, b]", "{a: 1}", "yes", "null", "Orders #1"],
    "json": ['{"a": [1, null]}'],
    "path": ["~/1.10"],
    "": ["1.10", "yes"],
}  # fmt: skip
GIVEN = {f"{kind or 'plain'}_{n}": (kind, value) for kind, values in SAID.items() for n, value in enumerate(values)}
ASKED: dict[str, Any] = {
    **{name: {"type": kind, "default": yaml.safe_dump(1)} if kind else "text" for name, (kind, _) in GIVEN.items()},
    "several": {"type": "str", "multiselect": True, "choices": ["1.10", "yes", "no"], "default": "[]"},
    "one": {"type": "int", "choices": {"few": 1, "many": 10}, "default": 1},
}


def test_answers_on_the_command_line_mean_what_they_mean_to_copier(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path)
    template.release("v1.1.0", {"said.txt.jinja": "{{ _copier_answers|to_nice_yaml }}"}, config=ASKED)
    ours = template.project(tmp_path / "ours/thing")
    theirs = copy_of(ours, tmp_path / "theirs/thing")
    said = {name: value for name, (_, value) in GIVEN.items()} | {"several": "[yes, 1.10]", "one": "10"}
    data = [word for name, value in said.items() for word in ("--data", f"{name}={value}")]
    copier = [sys.executable, "-m", "copier", "update", "--quiet", "--defaults", *data]
    subprocess.run(copier, cwd=theirs.path, check=True)
    planned = towpath(None, template.cache, "plan", str(ours.path), *data)
    assert "clean" in planned.stdout
    towpath(None, template.cache, "update", str(ours.path), "--here", *data)
    assert yaml.safe_load(ours.text("said.txt")) == yaml.safe_load(theirs.text("said.txt"))
    assert ours.text(".copier-answers.yml") == theirs.text(".copier-answers.yml")
    assert ours.text("said.txt") == theirs.text("said.txt")


@pytest.mark.parametrize("data", ["int_0=many", "one=2", "several=yes", "json_0={", "yaml_0=["])
def test_answers_that_copier_refuses_are_refused(tmp_path: Path, data: str) -> None:
    template = SmallTemplate.make(tmp_path)
    template.release("v1.1.0", {}, config=ASKED)
    project = template.project(tmp_path / "thing")
    done = towpath(None, template.cache, "plan", str(project.path), "--data", data, exit_code=1)
    assert "cannot be rendered with these answers" in done.stderr


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    template = SmallTemplate.make(tmp_path / "made")
    (template.path / "template/link").symlink_to("notes.txt")
    template.release("v1.1.0", {})
    template.release("v1.2.0", {"notes.txt": f"first\n{LINES}"})
    return template


@pytest.fixture
def project(template: SmallTemplate, tmp_path: Path) -> Project:
    return template.project(tmp_path / "made/thing", "v1.1.0")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of git that a user has."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    # The command line drops what begins with GIT_, as a job has none of it.
    monkeypatch.setattr("tests.tool.fleets.OUTSIDE", ("GITHUB_", "GITLAB_", "CI"))
    return tmp_path / "gitconfig"


@pytest.mark.parametrize(
    "setting",
    [
        "core.autocrlf = true",
        "core.eol = crlf\n[core] attributesFile = {home}/attributes",
        "core.symlinks = false",
        "safe.bareRepository = explicit",
    ],
)
def test_what_a_user_sets_for_git_changes_nothing_in_the_cache(
    template: SmallTemplate, project: Project, settings: Path, setting: str
) -> None:
    (settings.parent / "attributes").write_text("*.txt text\n")
    section, _, rest = setting.format(home=settings.parent).partition(".")
    settings.write_text(f"[{section}]\n{rest}\n")
    (row,) = rows(towpath(None, template.cache, "status", str(project.path), "--json")).values()
    assert set(row["drift"].values()) == {"same"}
    (planned,) = json.loads(towpath(None, template.cache, "plan", str(project.path), "--json").stdout)
    assert (planned["state"], planned["lost_edits"]) == ("clean", [])
    towpath(None, template.cache, "update", str(project.path), "--check", "! grep $(printf '\\r') *.t*")
    assert project.git("show", "towpath/update:notes.txt") == f"first\n{LINES}"
    # Clones of a fleet are bare as well.
    (row,) = rows(towpath(None, template.cache, "status", f"file://{project.path}", "--json")).values()
    assert row["behind"] == 1


def test_a_project_is_behind_the_commits_of_a_template_without_releases(tmp_path: Path) -> None:
    template = SmallTemplate(tmp_path / "small", tmp_path / "cache")
    template.path.mkdir()
    Project(template.path).git("init", "--quiet", "--initial-branch=trunk")
    template.release(None, FILES)
    project = template.project(tmp_path / "thing", "HEAD")
    assert "current" in towpath(None, template.cache, "status", str(project.path), "--check").stdout
    template.release("not-a-version", {"notes.txt": "next\n"})
    template.release(None, {"notes.txt": "newest\n"})
    status = ["status", str(project.path), "--conflicts"]
    assert "2 behind" in towpath(None, template.cache, *status, "--check", exit_code=4).stdout
    (row,) = rows(towpath(None, template.cache, *status, "--json")).values()
    assert (row["behind"], row["outlook"]["state"]) == (2, "clean")
    towpath(None, template.cache, "update", str(project.path), "--here")
    assert "current" in towpath(None, template.cache, "status", str(project.path), "--check").stdout


def test_ctrl_c_ends_quietly_at_any_moment(template: SmallTemplate, project: Project, tmp_path: Path) -> None:
    paths = [str(project.path), str(copy_of(project, tmp_path / "other").path)]
    plan = [sys.executable, "-m", "towpath", "plan", *paths, "--jobs", "2", "--cache", str(template.cache)]
    began = time.monotonic()
    subprocess.run(plan, capture_output=True, check=True)
    duration = time.monotonic() - began
    ended = set()
    for step in range(12):
        running = subprocess.Popen(
            plan,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Tests that a shell runs in the background ignore the signal, and hand that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        time.sleep(0.1 + duration * step / 12)
        os.killpg(running.pid, signal.SIGINT)
        output, _ = running.communicate()
        assert b"Traceback" not in output, output.decode()
        ended.add(running.returncode)
    # Before Python runs, the signal itself ends it; a quick run is done before it comes.
    assert {130} <= ended <= {130, 0, -signal.SIGINT}


@pytest.mark.parametrize("cache", ["/proc/nowhere", "file", "file/below"])
def test_a_cache_that_cannot_be_used_is_told(
    template: SmallTemplate, project: Project, tmp_path: Path, cache: str
) -> None:
    (tmp_path / "file").touch()
    for path in (str(project.path), f"file://{project.path}"):
        done = towpath(None, template.cache, "plan", path, "--cache", str(tmp_path / cache), exit_code=1)
        assert "name another folder with --cache or TOWPATH_CACHE" in done.stderr


@pytest.mark.parametrize("option", ["--log", "--html"])
def test_a_path_that_cannot_be_written_is_told(template: SmallTemplate, project: Project, option: str) -> None:
    done = towpath(None, template.cache, "status", str(project.path), option, "/proc/nowhere", exit_code=1)
    assert "towpath: /proc/nowhere cannot be used" in done.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("7: seven", "has the key 7"),
        ("yes: 1", "has the key True"),
        ("a: &a [*a]", "holds what no answer can be"),
        ("a: {2024-01-01: 1}", "holds what no answer can be"),
    ],
)
def test_answers_that_cannot_be_are_told(template: SmallTemplate, project: Project, answer: str, told: str) -> None:
    edit(project, {".copier-answers.yml": f"{project.text('.copier-answers.yml')}{answer}\n"})
    for command in ("status", "plan", "update"):
        done = towpath(None, template.cache, command, str(project.path), exit_code=1)
        assert f".copier-answers.yml of thing {told}" in done.stderr


def test_answers_of_any_other_shape_are_taken(template: SmallTemplate, project: Project) -> None:
    odd = "a: {1: one, b: two}\nc: &c [x]\nd: *c\n"
    edit(project, {".copier-answers.yml": project.text(".copier-answers.yml") + odd})
    (planned,) = json.loads(towpath(None, template.cache, "plan", str(project.path), "--json").stdout)
    assert [(answer["name"], answer["old"]) for answer in planned["forgotten"]] == [
        ("a", {"1": "one", "b": "two"}),
        ("c", ["x"]),
        ("d", ["x"]),
    ]


def test_a_branch_in_the_way_of_the_updates_is_named(template: SmallTemplate, project: Project) -> None:
    project.git("branch", "towpath")
    done = towpath(None, template.cache, "update", str(project.path), exit_code=3)
    assert "thing has a branch towpath, beside which there can be no towpath/update" in done.stderr
    towpath(None, template.cache, "update", str(project.path), "--branch", "template")
    assert project.git("show", "template:notes.txt").startswith("first")


def test_half_an_identity_is_told(template: SmallTemplate, project: Project, settings: Path) -> None:
    path = str(project.path)
    settings.write_text("[user]\nuseConfigOnly = true\nemail = developer@example.com\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.tool.fleets.environment", lambda *_: without_identity())
        done = towpath(None, template.cache, "update", path, "--cache", str(template.cache), exit_code=3)
    assert "git config --global user.name NAME" in done.stderr
    settings.write_text("[user]\nuseConfigOnly = true\n")
    towpath(None, template.cache, "update", path)


def without_identity() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("GIT_AUTHOR", "GIT_COMMITTER"))}
