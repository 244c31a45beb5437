"""The template's own shape: calm enough to be read, and the same for every kind of user."""

import re
from typing import Any

import pytest
import yaml

from .combinations import COMBINATIONS, name_of
from .conftest import ROOT, Generate

TEMPLATE = ROOT / "template"


def test_at_most_sixty_conditions() -> None:
    tag = re.compile(r"{%-?\s*if\b")
    # A page's own template is not rendered by Copier.
    texts = [path.read_text() + path.name for path in TEMPLATE.rglob("*") if path.is_file() and path.suffix != ".html"]
    assert sum(len(tag.findall(text)) for text in texts) <= 60


def test_paths_are_short_and_unquoted() -> None:
    for path in TEMPLATE.rglob("*"):
        relative = str(path.relative_to(ROOT))
        assert len(relative) <= 100
        assert not set(relative) & set("'\""), relative


def test_nothing_runs_on_copy_or_update() -> None:
    configuration = (ROOT / "copier.yml").read_text() + "".join(
        path.read_text() for path in (ROOT / "extensions").glob("*.yml")
    )
    assert not re.search(r"^_(tasks|migrations|jinja_extensions)", configuration, re.MULTILINE)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_no_rendered_file_shows_the_template_behind_it(generate: Generate, answers: dict[str, Any]) -> None:
    project = generate(**answers)
    for path in project.rendered:
        text = project.text(path)
        # A page is itself a template.
        assert not re.search(r"\n\n\n\n" if path.endswith(".html") else r"{%|%}|\n\n\n\n", text), path
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), f"{path} ends badly"
        assert not any(line != line.rstrip() for line in text.splitlines()), f"{path} has trailing white space"


@pytest.mark.parametrize("answers", COMBINATIONS, ids=name_of)
def test_every_yaml_file_can_be_read(generate: Generate, answers: dict[str, Any]) -> None:
    project = generate(**answers)
    for path in project.rendered:
        if path.endswith((".yml", ".yaml")):
            list(yaml.safe_load_all(project.text(path)))
