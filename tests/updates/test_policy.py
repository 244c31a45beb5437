"""The answer policy, from the last release to the working tree; and that each of its rules can fail."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import copier
import pytest

from ..combinations import COMBINATIONS, name_of
from ..conftest import copy
from ..project import Project
from . import policy
from .policy import Version
from .releases import CANDIDATE, commits, questions
from .replay import owner, tree, update

DATABASE = {"type": "str", "choices": ["postgresql", "none"], "default": "none"}


def table(managed: str = "", seeded: str = "", handed_over: str = "") -> dict[str, Any]:
    return {
        "managed": {"when": False, "default": managed.split()},
        "seeded": {"when": False, "default": seeded.split()},
        "handed_over": {"when": False, "default": handed_over},
    }


OLD = Version({"database": DATABASE, **table("/Dockerfile /.towpath/", "/src/")}, {"web": {"Dockerfile", "src/a.py"}})


def test_a_new_question_without_a_default_is_refused() -> None:
    new = Version({**OLD.questions, "ci": {"type": "str"}})
    assert "ci has no default" in policy.new_questions_reproduce_what_was(OLD, new, lambda _: set())[0]


def test_a_new_question_whose_default_brings_more_than_a_choice_is_refused() -> None:
    ci = {"choices": {"GitHub": "github", "nothing": "none"}, "default": "github"}
    new = Version({**OLD.questions, "ci": ci})

    def changed(answers: dict[str, Any]) -> set[str]:
        return {"Dockerfile"} if answers.get("ci") == "none" else {"Dockerfile", ".github/workflows/verify.yml"}

    assert policy.new_questions_reproduce_what_was(OLD, new, changed) == [
        "ci changes more by its default than 'none' would"
    ]
    assert policy.new_questions_reproduce_what_was(OLD, new, lambda _: {"Dockerfile"}) == []
    several = Version({**OLD.questions, "ci": {"choices": ["github"], "multiselect": True, "default": ["github"]}})
    brought = policy.new_questions_reproduce_what_was(OLD, several, lambda a: set() if a.get("ci") == [] else {"x"})
    assert brought == ["ci changes more by its default than [] would"]


def test_a_choice_that_is_taken_away_is_refused() -> None:
    new = Version({"database": {**DATABASE, "choices": {"PostgreSQL": "postgresql", "MySQL": "mysql"}}})
    assert policy.no_choice_is_taken_away(OLD, new) == ["database has no choice 'none' any more"]


def test_a_renamed_question_is_refused_unless_it_carries_the_answer_over() -> None:
    assert policy.no_answer_is_forgotten(OLD, Version({"storage": DATABASE}))
    carried = {**DATABASE, "default": "{{ database | default('none') }}"}
    assert policy.no_answer_is_forgotten(OLD, Version({"storage": carried})) == []


def test_a_tightened_validator_is_refused() -> None:
    assert policy.no_valid_answer_is_refused([{"name": "x"}], lambda _: "too short") == [
        "{'name': 'x'} was accepted: too short"
    ]


def test_a_managed_path_that_is_dropped_or_renamed_is_refused_unless_it_is_handed_over() -> None:
    moved = table("/Containerfile /.towpath/", "/src/")
    new = Version(moved, {"web": {"Containerfile", "src/a.py"}})
    assert "Dockerfile was rendered for web" in policy.managed_paths_stay_or_are_handed_over(OLD, new)[0]
    handed = Version(moved | table("/Containerfile /.towpath/", "/src/", "/Dockerfile\n"), new.rendered)
    assert policy.managed_paths_stay_or_are_handed_over(OLD, handed) == []


def test_a_managed_path_that_becomes_seeded_is_refused_unless_it_is_handed_over() -> None:
    new = Version(table("/.towpath/", "/src/ /Dockerfile"), OLD.rendered)
    assert policy.managed_paths_stay_or_are_handed_over(OLD, new) == [
        "/Dockerfile was managed and is seeded without being handed over"
    ]


def test_a_path_of_the_project_that_becomes_managed_is_refused() -> None:
    assert policy.what_is_the_projects_stays_so(OLD, Version(table("/Dockerfile /src/")))
    handed = Version(table("/Dockerfile", "", "/bake.hcl"))
    assert policy.what_is_the_projects_stays_so(handed, Version(table("/Dockerfile /bake.hcl")))
    assert policy.what_is_the_projects_stays_so(handed, Version(table("/Dockerfile")))
    assert policy.what_is_the_projects_stays_so(handed, handed) == []


@pytest.fixture(scope="module")
def latest(history: Path) -> str:
    """The release that most projects have; the rules are about the way from it to the working tree."""
    assert history.exists()
    return list(commits())[-1]


@pytest.fixture(scope="module")
def versions(history: Path, latest: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Version, Version]:
    """The latest release and the working tree, each with what it gives to the same answers."""
    folder = tmp_path_factory.mktemp("policy")
    old, new = Version(questions(history, latest)), Version(questions(history, CANDIDATE))
    kinds = policy.choices(old.questions["app_type"])
    for answers in [one for one in COMBINATIONS if one["app_type"] in kinds]:
        for version, tag in ((old, latest), (new, CANDIDATE)):
            made = copy(history, folder / tag / name_of(answers), at=tag, **answers)
            version.rendered[name_of(answers)] = set(tree(made))
    return old, new


def test_this_release_takes_no_answer_and_no_path_away(versions: tuple[Version, Version]) -> None:
    old, new = versions
    assert policy.no_choice_is_taken_away(old, new) == []
    assert policy.no_answer_is_forgotten(old, new) == []
    assert policy.managed_paths_stay_or_are_handed_over(old, new) == []
    assert policy.what_is_the_projects_stays_so(old, new) == []


def test_this_releases_new_questions_change_nothing_by_their_defaults(
    versions: tuple[Version, Version], history: Path, latest: str, tmp_path: Path
) -> None:
    @cache
    def updated(name: str, answer: str) -> set[str]:
        project = copy(history, tmp_path / str(len(list(tmp_path.iterdir()))), at=latest)
        before = tree(project)
        update(project, CANDIDATE, **({name: json.loads(answer)} if name else {}))
        project.commit("Update")
        after = tree(project)
        return {path for path in {*before, *after} if owner(path) == "managed" and before.get(path) != after.get(path)}

    def changed(answers: dict[str, Any]) -> set[str]:
        ((name, answer),) = answers.items() or [("", "")]
        return updated(name, json.dumps(answer))

    old, new = versions
    assert policy.new_questions_reproduce_what_was(old, new, changed) == []


def test_this_release_accepts_what_the_last_one_accepted(
    versions: tuple[Version, Version], history: Path, latest: str, tmp_path: Path
) -> None:
    old, _ = versions
    paths = [pattern.lstrip("/") for pattern in old.patterns("managed") if pattern != "/.copier-answers.yml"]
    paths += [pattern.lstrip("/") for pattern in old.patterns("handed_over")]
    accepted: list[dict[str, Any]] = [
        {"ejected": paths},
        {"removed": paths},
        {"system_packages": ["libmagic1", "g++", "tini"]},
        {"project_name": "A.b_c-D 9", "description": '"$HOME" {{ slug }} \\ # 🛶'},
    ]

    def refusal(tag: str, answers: dict[str, Any]) -> str | None:
        try:
            copier.run_copy(
                str(history), tmp_path / "refused", answers, vcs_ref=tag, defaults=True, quiet=True, pretend=True
            )
        except ValueError as error:
            return str(error)
        return None

    assert [refusal(latest, answers) for answers in accepted] == [None] * len(accepted)
    assert policy.no_valid_answer_is_refused(accepted, lambda answers: refusal(CANDIDATE, answers)) == []


def test_a_name_that_became_taken_stays_the_projects(template: Path, tmp_path: Path) -> None:
    repository = tmp_path / "towpath"
    Project(tmp_path).git("clone", "--quiet", str(template), str(repository))
    project = copy(repository, tmp_path, "harbour")
    names = repository / "extensions/names.jinja"
    names.write_text(names.read_text().replace("'aiosqlite alembic", "'harbour aiosqlite alembic"))
    Project(repository).commit("Release 2")
    Project(repository).git("tag", "v2.0.0")
    assert update(project, "v2.0.0") == []
    assert "project_name: harbour" in project.text(".copier-answers.yml")
    with pytest.raises(ValueError, match="the project uses"):
        copy(repository, tmp_path / "other", "harbour")
