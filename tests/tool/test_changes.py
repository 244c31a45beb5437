"""Structured changes to files of the project: done as asked, where the file is as expected, or not at all."""

from pathlib import Path
from typing import Any

import copier
import pytest
import yaml

from towpath.changes import apply
from towpath.documents import Document, keys
from towpath.git import File
from towpath.plan import plan
from towpath.repository import Repository
from towpath.template import Template

from ..conftest import copy, release
from ..project import Project

TOML = """\
# Ours.
[project]
name = "x"   # kept
dependencies = [
  "fastapi>=1",
  "httpx[http2]>=0.28 ; python_version < '3.14'",  # why
]

[tool.ruff]
extend = "ruff.toml"
"a.b" = 1
"""


def outcome(name: str, text: str, *actions: dict[str, Any]) -> tuple[str, str]:
    """What becomes of a file: the state, and the text afterwards."""
    declared = {"release": "1.0.0", "file": name, "why": "", "actions": list(actions)}
    change, file = apply(declared, File("100644", text.encode()))
    return change.state, (file.content.decode() if file else text)


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ({"set": "tool.ruff.line-length", "to": 120}, 'b" = 1\n', 'b" = 1\nline-length = 120\n'),
        ({"set": 'tool.ruff."a.b"', "to": 2, "from": 1}, "= 1\n", "= 2\n"),
        ({"add": "ruff", "to": "project.dependencies"}, "  # why\n", '  # why\n  "ruff",\n'),
        ({"remove": "fastapi", "from": "project.dependencies"}, '  "fastapi>=1",\n', ""),
        ({"remove": "project.name"}, 'name = "x"   # kept\n', ""),
        ({"rename": "project.name", "to": "project.title"}, None, None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_action_changes_what_it_names_and_nothing_else(
    action: dict[str, Any], before: str | None, after: str | None
) -> None:
    state, text = outcome("pyproject.toml", TOML, action)
    assert state == "applied"
    if before is not None and after is not None:
        assert text == TOML.replace(before, after)
    # Done already is done.
    assert outcome("pyproject.toml", text, action) == ("present", text)


@pytest.mark.parametrize(
    "action",
    [
        {"set": "project.name", "to": "y"},
        {"set": "project.name", "to": "y", "from": "z"},
        {"set": "project.name.deeper", "to": 1},
        {"add": "x", "to": "project.name"},
        {"remove": "fastapi>=2", "from": "project.dependencies"},
        {"rename": "project.name", "to": "project.dependencies"},
        {"invent": "x"},
        {"set": "a..b", "to": 1},
    ],
    ids=str,
)
def test_a_file_that_is_not_as_expected_is_left_to_a_person(action: dict[str, Any]) -> None:
    harmless = {"set": "tool.ruff.line-length", "to": 120}
    assert outcome("pyproject.toml", TOML, harmless, action) == ("instruction", TOML)


def test_yaml_and_json_keep_comments_order_and_layout() -> None:
    text = "# ours\nb: 1  # kept\n\na:\n    - x   # why\n    - 'y'\n"
    action = {"add": "z", "to": "a"}
    assert outcome("x.yaml", text, action) == ("applied", text + "    - z\n")
    assert outcome("x.json", '{\n    "b": "é",\n    "a": 2\n}', {"remove": "a"}) == ("applied", '{\n    "b": "é"\n}')
    assert outcome("x.toml", "a = 1\r\nb = 2\r\n", {"set": "a", "to": 3, "from": 1}) == (
        "applied",
        "a = 3\r\nb = 2\r\n",
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.yaml", b"a:   1\nb: [ 1,2 ]\n"),
        ("x.yaml", b"a: 1\n---\nb: 2\n"),
        ("x.yaml", b"a: {{ b }}\n"),
        ("x.json", b'{"a":1}'),
        ("x.toml", b"a = \n"),
        ("x.toml", b"\xff"),
        ("x.ini", b"[a]\n"),
        ("x.yaml", b"just text\n"),
    ],
)
def test_a_file_that_could_not_be_written_back_as_it_was_is_not_touched(name: str, content: bytes) -> None:
    assert Document.parse(name, content) is None


def test_keys_are_written_as_in_toml() -> None:
    assert keys('tool."a.b".c-d') == ("tool", "a.b", "c-d")


def test_plain_copier_prints_what_towpath_does(
    template: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    repository = tmp_path / "towpath"
    Project(tmp_path).git("clone", "--quiet", str(template), str(repository))
    project = copy(repository, tmp_path)
    table = repository / "extensions/changes.yml"
    document = yaml.safe_load(table.read_text())
    document["changes"]["default"] = [
        {
            "release": "1.1.0",
            "file": "pyproject.toml",
            "why": "Its successor is kept up.",
            "actions": [{"set": "tool.mypy.pretty", "to": True}, {"add": "left-pad", "to": "dependency-groups.dev"}],
        }
    ]
    table.write_text(yaml.safe_dump(document))
    release(repository, "v1.1.0")
    planned = plan(Repository.open(project.path), Template.open(str(repository), tmp_path / "cache"))
    (change,) = planned.changes
    assert change.state == "applied"
    assert "+pretty = true\n" in change.diff
    assert '+  "left-pad",\n' in change.diff
    before = project.text("pyproject.toml")
    capfd.readouterr()
    copier.run_update(project.path, defaults=True, overwrite=True)
    printed = capfd.readouterr().err
    assert "pyproject.toml, when you come from before 1.1.0: Its successor is kept up." in printed
    assert "- set tool.mypy.pretty to True\n" in printed
    assert "- add left-pad to dependency-groups.dev\n" in printed
    assert project.text("pyproject.toml") == before
