"""`towpath adopt`: repositories of many shapes join, lose nothing, and are clean at the next update."""

import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import copier
import pytest
from typer.testing import CliRunner, Result

from towpath import adopt
from towpath.adopt.checklist import gaps
from towpath.adopt.existing import Existing
from towpath.cli import app
from towpath.errors import Exit, TowpathError
from towpath.plan import plan
from towpath.repository import Repository
from towpath.status import status
from towpath.template import Template

from ..conftest import release
from ..project import Project
from .shapes import FLASK, READY, SHAPES

LATER = "# one release later\n"
Begin = Callable[..., Project]


@pytest.fixture(scope="module")
def source(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template with a second release, which changes every file and adds a managed one."""
    repository = tmp_path_factory.mktemp("releases") / "towpath"
    shutil.copytree(template, repository)
    for path in (repository / "template").rglob("*"):
        if path.is_file() and path.stat().st_size and "answers_file" not in path.name:
            path.write_text(path.read_text() + LATER)
    (repository / "template/.towpath/later.toml").write_text("# Managed by Towpath\n")
    (repository / "template/src/{{package}}/later.py").write_text("later = True\n")
    release(repository, "v2.0.0")
    return repository


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def opened(source: Path, cache: Path) -> Template:
    return Template.open(str(source), cache)


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Make a repository of some files, with one commit."""

    def make(files: dict[str, str], name: str = "office", below: str = "") -> Project:
        root = Project(tmp_path / name)
        root.path.mkdir()
        for path, text in files.items():
            file = root.path / below / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        root.git("init", "--quiet", "--initial-branch=trunk")
        root.commit("Begin")
        return root

    return make


@pytest.fixture
def towpath(source: Path, cache: Path) -> Callable[..., Result]:
    """`towpath adopt` with the first release, as a script runs it."""

    def run(folder: Path, *options: str, to: str = "v1.0.0") -> Result:
        fixed = ["--template", str(source), "--cache", str(cache), "--to", to]
        return CliRunner().invoke(app, ["adopt", str(folder), *fixed, *options])

    return run


def texts(project: Project) -> dict[str, str]:
    return {path: project.text(path) for path in project.files}


def classes(opened: Template, version: str, project: Project) -> dict[str, str]:
    """Each path that the template renders for a project, with the class that its owner and answers give it."""
    repository = Repository.open(project.path)
    answers = {**repository.answers, "ejected": [], "removed": []}
    rendered = opened.render(version, answers, operation="copy").files
    found = {}
    for path, file in rendered.items():
        owner = opened.ownership(version).owner(path)
        if path == ".copier-answers.yml":
            continue
        if path in repository.answers["ejected"]:
            owner = "ejected"
        elif path in repository.answers["removed"]:
            owner = "removed"
        found[path] = owner
        if owner == "managed":
            assert repository.files[path] == file.entry(), f"{path} is managed, but not as the template has it"
        elif owner == "ejected":
            assert path in repository.files, f"{path} is the project's, but it has none"
        elif owner == "removed":
            assert path not in repository.files, f"{path} is there although the project does without"
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_a_repository_joins_and_the_next_update_is_clean(
    begin: Begin, towpath: Callable[..., Result], opened: Template, shape: str
) -> None:
    project = begin(SHAPES[shape], shape)
    done = towpath(project.path, "--yes", "--here")
    assert done.exit_code == 0, done.output
    for path, text in SHAPES[shape].items():
        assert project.text(path) == text, f"{path} was not left alone"
    written = set(project.files) - set(SHAPES[shape])
    assert {opened.ownership("v1.0.0").owner(path) for path in written} == {"managed"}
    owners = classes(opened, "v1.0.0", project)
    assert set(owners.values()) <= {"managed", "seeded", "ejected", "removed"}

    repository = Repository.open(project.path)
    assert not status(repository, opened).drifted
    assert plan(repository, opened, "v1.0.0").state == "current"
    planned = plan(repository, opened, "v2.0.0")
    assert (planned.state, planned.lost_edits, planned.merged) == ("clean", (), {})
    managed = {path for path, owner in owners.items() if owner == "managed"}
    assert set(planned.files) == managed | {".copier-answers.yml", ".towpath/later.toml"}


@pytest.mark.parametrize("shape", ["flask", "ready"])
def test_plain_copier_updates_what_has_joined(
    begin: Begin, towpath: Callable[..., Result], opened: Template, shape: str
) -> None:
    project = begin(SHAPES[shape], shape)
    assert towpath(project.path, "--yes", "--here").exit_code == 0
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True, unsafe=False, vcs_ref="v2.0.0")
    assert project.git("ls-files", "--unmerged") == ""
    project.commit("Update")
    for path, text in SHAPES[shape].items():
        assert project.text(path) == text
    assert LATER in project.text(".towpath/ruff.toml")
    classes(opened, "v2.0.0", project)
    assert plan(Repository.open(project.path), opened).state == "current"


def test_nothing_is_written_before_it_is_agreed(begin: Begin, towpath: Callable[..., Result]) -> None:
    project = begin(FLASK)
    before = project.git("for-each-ref"), texts(project)
    looked = towpath(project.path, "--dry-run")
    assert looked.exit_code == 0
    assert "database: postgresql, because requirements.txt depends on psycopg2-binary" in looked.output
    assert towpath(project.path).exit_code == Exit.USAGE
    assert towpath(project.path, "--dry-run", "--json").exit_code == 0
    assert (project.git("for-each-ref"), texts(project)) == before


def test_only_questions_that_the_type_has_are_answered_whoever_names_the_type(
    begin: Begin, towpath: Callable[..., Result]
) -> None:
    project = begin(SHAPES["model"])
    typed = {"accelerator", "database", "cache"}
    for given, asked in (([], {"accelerator"}), (["--data", "app_type=web"], {"database", "cache"})):
        told = json.loads(towpath(project.path, "--dry-run", "--json", *given).output)
        assert told["answers"].keys() & typed == told["evidence"].keys() & typed == asked
    assert told["answers"]["database"] == "postgresql"
    assert "psycopg2" in told["evidence"]["database"]


def test_it_is_one_commit_on_a_branch_and_doing_it_again_changes_nothing(
    begin: Begin, towpath: Callable[..., Result]
) -> None:
    project = begin(FLASK)
    assert towpath(project.path, "--yes").exit_code == 0
    commit = project.git("rev-parse", "towpath/adopt")
    assert project.git("rev-parse", "towpath/adopt~1") == project.git("rev-parse", "trunk")
    assert project.git("status", "--porcelain") == ""
    assert towpath(project.path, "--yes").exit_code == 0
    assert project.git("rev-parse", "towpath/adopt") == commit
    assert towpath(project.path, "--yes", "--replace", "Dockerfile").exit_code == 0
    assert project.git("rev-parse", "towpath/adopt~1") == project.git("rev-parse", "trunk")
    assert project.git("rev-parse", "towpath/adopt") != commit


def test_an_adoption_interrupted_at_any_step_has_not_happened_or_has_happened_whole(
    begin: Begin, opened: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = begin(FLASK)
    repository = adopt.open_project(project.path)
    answers = {proposal.answer: proposal.value for proposal in adopt.propose(repository, opened, "v1.0.0")}
    planned = adopt.prepare(repository, opened, "v1.0.0", answers, adopt.Choices())
    before, real = texts(project), subprocess.run
    commits = set()
    for step in range(40):
        calls = iter(range(step + 1))

        def interrupted(*arguments: Any, calls: Iterator[int] = calls, step: int = step, **options: Any) -> Any:
            last = next(calls) == step
            if last and step % 2:
                raise KeyboardInterrupt
            done = real(*arguments, **options)
            if last:
                raise KeyboardInterrupt
            return done

        with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
            patched.setattr("towpath.git.subprocess.run", interrupted)
            adopt.adopt(repository, planned)
            break
        assert texts(project) == before
        assert project.git("status", "--porcelain") == ""
        commits |= set(project.git("for-each-ref", "--format=%(tree)", "refs/heads/towpath").split())
    assert step >= 6
    assert len(commits) <= 1
    assert project.git("diff", "--name-only", "trunk", "towpath/adopt").splitlines() == sorted(planned.writes)


def test_each_path_is_as_the_person_chose(begin: Begin, towpath: Callable[..., Result], opened: Template) -> None:
    own = {"Dockerfile": "FROM scratch\n", ".towpath/ruff.toml": "# ours\n", ".dockerignore": "*\n"}
    project = begin({**FLASK, **own})
    options = ["--replace", "Docker*", "--replace", "compose.yaml", "--keep", ".towpath/*"]
    options += ["--remove", ".dockerignore", "--remove", "docker-bake.hcl", "--seed", ".env.example"]
    done = towpath(project.path, "--yes", "--here", *options)
    assert done.exit_code == 0, done.output
    owners = classes(opened, "v1.0.0", project)
    assert owners["Dockerfile"] == owners["compose.yaml"] == "managed"
    assert owners[".towpath/ruff.toml"] == "ejected"
    assert owners[".dockerignore"] == owners["docker-bake.hcl"] == "removed"
    assert ".env.example" in project.files
    assert ".editorconfig" not in project.files
    assert "takes the place of docker-compose.yml" in done.output
    assert plan(Repository.open(project.path), opened, "v2.0.0").state == "clean"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--replace", "Dockerfil"], "--replace Dockerfil names no path"),
        (["--keep", "docker-bake.hcl"], "--keep docker-bake.hcl names no path"),
        (["--seed", "README.md"], "--seed README.md names no path"),
        (["--replace", "Dockerfile", "--remove", "Dockerfile"], "more than one of"),
        (["--data", "project_name=1"], "project_name"),
        (["--data", "ejected=[Dockerfile]"], "--keep"),
        (["--data", "accelerator=cuda"], "does not ask for accelerator"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(
    begin: Begin, towpath: Callable[..., Result], options: list[str], said: str
) -> None:
    project = begin(FLASK)
    refused = towpath(project.path, "--yes", *options)
    assert refused.exit_code != 0
    assert said in refused.output + str(refused.exception)
    assert "towpath/adopt" not in project.git("branch", "--list")


def test_a_folder_where_a_managed_file_would_be_stays(
    begin: Begin, towpath: Callable[..., Result], opened: Template
) -> None:
    project = begin({**READY, "docker-bake.hcl/README": "not a file\n", ".towpath": "a file\n"})
    assert towpath(project.path, "--yes", "--here").exit_code == 0
    owners = classes(opened, "v1.0.0", project)
    assert {path for path, owner in owners.items() if owner == "removed"} == {
        "docker-bake.hcl",
        *(path for path in owners if path.startswith(".towpath/")),
    }
    assert plan(Repository.open(project.path), opened, "v1.0.0").state == "current"


def test_a_submodule_where_managed_files_would_be_stays(begin: Begin, towpath: Callable[..., Result]) -> None:
    project = begin(READY)
    head = project.git("rev-parse", "HEAD").strip()
    project.git("update-index", "--add", "--cacheinfo", f"160000,{head},.towpath")
    project.git("commit", "--quiet", "--message", "Add a submodule")
    (project.path / ".towpath").mkdir()
    assert towpath(project.path, "--yes").exit_code == 0
    assert "160000 commit" in project.git("ls-tree", "towpath/adopt", ".towpath")


def test_a_folder_of_a_larger_repository_joins_alone(
    begin: Begin, towpath: Callable[..., Result], opened: Template
) -> None:
    root = begin(READY, "platform", below="services/ledger")
    folder = root.path / "services/ledger"
    done = towpath(folder, "--yes", "--here")
    assert done.exit_code == 0, done.output
    assert all(path.startswith("services/ledger/") for path in root.files)
    repository = Repository.open(folder)
    assert not status(repository, opened).drifted
    assert plan(repository, opened, "v2.0.0").state == "clean"
    copier.run_update(folder, defaults=True, overwrite=True, quiet=True, unsafe=False, vcs_ref="v2.0.0")
    assert root.git("ls-files", "--unmerged") == ""
    assert LATER in (folder / "Dockerfile").read_text()


def test_what_cannot_join_is_told_why(begin: Begin, source: Path, tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        with pytest.raises(TowpathError) as caught:
            adopt.require_clean(adopt.open_project(folder))
        return str(caught.value)

    (tmp_path / "plain").mkdir()
    assert "no git repository" in refusal(tmp_path / "plain")
    Project(tmp_path / "plain").git("init", "--quiet")
    assert "no commit yet" in refusal(tmp_path / "plain")
    assert "copier copy" in refusal(begin({}, "empty").path)
    dirty = begin(FLASK, "dirty")
    (dirty.path / "new.py").write_text("")
    assert "uncommitted changes" in refusal(dirty.path)
    other = begin({".copier-answers.yml": "_src_path: gh:acme/django\n_commit: 1.2.3\n"}, "other")
    assert "gh:acme/django at 1.2.3" in refusal(other.path)
    made = tmp_path / "made"
    copier.run_copy(str(source), made, defaults=True, quiet=True, vcs_ref="v1.0.0")
    Project(made).git("init", "--quiet")
    Project(made).commit()
    assert "towpath update" in refusal(made)


def test_a_template_without_a_table_of_owners_adopts_nobody(begin: Begin, cache: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "copier.yml").write_text("project_name: {type: str, default: x}\n")
    (foreign / "{{_copier_conf.answers_file}}.jinja").write_text("{{ _copier_answers | to_nice_yaml }}")
    release(foreign, "1.0.0")
    repository = adopt.open_project(begin(FLASK).path)
    with pytest.raises(TowpathError, match="does not say which paths it owns"):
        adopt.propose(repository, Template.open(str(foreign), cache), "1.0.0")


def test_the_checklist_is_empty_only_for_a_project_that_lacks_nothing(
    begin: Begin, towpath: Callable[..., Result]
) -> None:
    def lacking(files: dict[str, str], name: str, *options: str) -> dict[str, str]:
        told = towpath(begin(files, name).path, "--dry-run", "--json", *options)
        return {gap["missing"]: gap["todo"] for gap in json.loads(told.output)["gaps"]}

    assert lacking(READY, "ready") == {}
    for path, said in {
        "uv.lock": "no uv.lock",
        "pyproject.toml": "no pyproject.toml",
        "src/ledger/__init__.py": "",
        "src/ledger/app.py": "/readyz",
        ".env.example": "no .env.example",
        "tests/test_app.py": "no tests",
        ".pre-commit-config.yaml": ".pre-commit-config.yaml does not point",
    }.items():
        found = lacking({key: text for key, text in READY.items() if key != path}, f"without-{path.replace('/', '-')}")
        assert any(said in gap for gap in found) == bool(said or found), f"{path} is gone and the list says {found}"
    changed: dict[str, tuple[str, str | None]] = {
        '\nledger = "ledger.cli:main"': ("", "No console script is named ledger"),
        "uv_build>=": ("hatchling>=", None),
        'build-backend = "uv_build"': ('build-backend = "hatchling.build"', None),
        'requires-python = ">=3.12"': ('requires-python = ">=3.11,<3.13"', "the image has Python"),
        '["fastapi", "uvicorn"]': ("[]", "No web framework"),
    }
    for number, (old, (new, expected)) in enumerate(changed.items()):
        assert old in READY["pyproject.toml"]
        found = lacking({**READY, "pyproject.toml": READY["pyproject.toml"].replace(old, new)}, f"changed-{number}")
        assert any(expected in gap for gap in found) if expected else not found
    kept = lacking(FLASK, "kept")
    assert any("Your Dockerfile has none of the stages" in gap for gap in kept)
    assert any("copies everything" in gap for gap in kept)


def test_what_the_template_brings_does_not_count_as_the_projects_code() -> None:
    dockerfile = "FROM python:3.14-slim\nHEALTHCHECK CMD GET /readyz HTTP/1.0\n"
    asked = {"Dockerfile": dockerfile, ".towpath/smoke.py": "'/readyz'\n"}
    for path, found in ({".towpath/smoke.py": False, "tests/test_it.py": False, "src/ledger/web.py": True}).items():
        project = {"pyproject.toml": READY["pyproject.toml"], **asked, path: "'/readyz'\n"}
        assert any("/readyz" in gap.missing for gap in gaps(Existing(project, "ledger"), asked)) is not found


def test_a_project_that_lies_deeper_is_pointed_to() -> None:
    dockerfile = {"Dockerfile": "FROM python:3.14-slim\nCOPY pyproject.toml ./\n"}
    for files, told in (
        ({"api/requirements.txt": "flask\n"}, True),
        ({**FLASK, "docs/requirements.txt": "x\n"}, False),
    ):
        found = gaps(Existing({**files, **dockerfile}, "office"), dockerfile)
        assert any("Adopt that folder: api" in gap.todo for gap in found) is told


def test_pipelines_in_a_folder_of_a_larger_repository_are_told_to_be_dead() -> None:
    for subfolder in (True, False):
        found = gaps(Existing({}, "ledger", subfolder=subfolder), {".github/workflows/verify.yml": "uv run pytest\n"})
        assert any("only at the root" in gap.missing for gap in found) is subfolder
        assert any("pytest, which jobs run" in gap.missing for gap in found)


def test_a_person_is_asked_with_what_was_inferred_as_defaults(begin: Begin, source: Path, cache: Path) -> None:
    project = begin(FLASK)
    command = [sys.executable, "-m", "towpath", "adopt", str(project.path), "--template", str(source), "--to", "v1.0.0"]
    answers = {
        r"ours/Dockerfile[\s\S]*\[keep/replace/diff\]": "replace\r",
        r"Dockerfile: keep yours": "diff\r",
        r"compose\.yaml: keep yours": "keep\r",
        r"do not want[\s\S]*\(none\)": ".dockerignore\r",
        r"write once[\s\S]*\(none\)": "none\r",
        r"Commit this\?": "y\r",
    }
    output = converse([*command, "--cache", str(cache)], answers)
    assert "Done: it is on towpath/adopt" in output, output
    project.git("merge", "--quiet", "towpath/adopt")
    made = Repository.open(project.path).answers
    assert (made["app_type"], made["database"], made["system_packages"]) == (
        "static",
        "postgresql",
        ["libmagic1", "poppler-utils"],
    )
    assert (made["ejected"], made["removed"]) == ([], [".dockerignore", "compose.yaml"])


def converse(command: list[str], answers: dict[str, str], seconds: float = 60) -> str:
    """Run a command on a terminal: the first pattern that fits is answered, once; Copier's questions get Enter."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    waiting = dict(answers)
    whole = recent = ""
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if not select.select([leader], [], [], 0.5)[0]:
                if process.poll() is not None:
                    break
                fitting = next((pattern for pattern in waiting if re.search(pattern, recent)), None)
                # Copier's questions turn bracketed paste on while they wait for an answer.
                if fitting or recent.rfind("[?2004h") > recent.rfind("[?2004l"):
                    recent = ""
                    os.write(leader, waiting.pop(fitting or "", "\r").encode())
                continue
            try:
                part = os.read(leader, 65536).decode(errors="replace")
            except OSError:
                break
            whole, recent = whole + part, recent + part
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return whole
