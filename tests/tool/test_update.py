"""`towpath update` is one commit on a branch, or nothing."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from towpath.cli import app
from towpath.errors import BlockedError, Exit
from towpath.plan import plan
from towpath.repository import Repository
from towpath.update import Result, update

from ..project import Project
from .small import LINES, SmallTemplate, changed, edit

NEW_LINES = changed(LINES, "line 9\n", "line nine\n")


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    """A template with a second release that changes, adds and deletes."""
    template = SmallTemplate.make(tmp_path)
    template.release("v1.1.0", {"notes.txt": NEW_LINES, "new.txt": "new\n", "settings.toml": None})
    return template


@pytest.fixture
def project(template: SmallTemplate, tmp_path: Path) -> Project:
    return template.project(tmp_path / "thing")


def run(template: SmallTemplate, project: Project, **options: bool | str | None) -> Result:
    repository = Repository.open(project.path)
    return update(repository, plan(repository, template.open()), **options)  # type: ignore[arg-type]


def command(template: SmallTemplate, *arguments: str) -> tuple[int, str]:
    """Run `towpath` in this process: its exit code and all it printed."""
    done = CliRunner().invoke(app, [*arguments, "--cache", str(template.cache)], catch_exceptions=False)
    return done.exit_code, done.output


def seen(project: Project) -> dict[str, str]:
    """All that a person can see of a repository."""
    return {
        "references": project.git("for-each-ref"),
        "head": project.git("rev-parse", "--symbolic-full-name", "HEAD"),
        "status": project.git("status", "--porcelain", "--ignored"),
        "worktrees": project.git("worktree", "list"),
        "diff": project.git("diff", "HEAD"),
    }


def test_an_update_is_one_commit_on_a_branch_and_nothing_else_changes(
    template: SmallTemplate, project: Project
) -> None:
    edit(project, {"own.txt": "ours\n"})
    (project.path / "own.txt").write_text("not committed\n")
    (project.path / "untracked.txt").write_text("not committed\n")
    project.git("add", "own.txt")
    before = seen(project)
    result = run(template, project)
    assert (result.state, result.branch) == ("updated", "towpath/update")
    assert project.git("rev-list", "HEAD..towpath/update").split() == [result.commit]
    assert project.git("diff", "--name-status", "HEAD", "towpath/update").split() == [
        *("M", ".copier-answers.yml"),
        *("A", "new.txt"),
        *("M", "notes.txt"),
        *("D", "settings.toml"),
    ]
    assert project.git("show", "towpath/update:own.txt") == "ours\n"
    after = seen(project)
    assert [name for name in before if before[name] != after[name]] == ["references"]


def test_updating_again_changes_nothing_and_a_newer_release_moves_the_branch(
    template: SmallTemplate, project: Project
) -> None:
    first = run(template, project)
    assert run(template, project) == Result(**{**vars(first), "state": "unchanged"})
    template.release("v1.2.0", {"notes.txt": "other\n"})
    second = run(template, project)
    assert (second.state, second.title) == ("updated", "Update to v1.2.0 of the template")
    assert project.git("rev-parse", "towpath/update^") == project.git("rev-parse", "HEAD")
    edit(project, {"own.txt": "ours\n"})
    assert run(template, project).state == "updated"
    assert project.git("rev-parse", "towpath/update^") == project.git("rev-parse", "HEAD")
    project.git("merge", "--quiet", "towpath/update")
    assert run(template, project) == Result("thing", "current")


def test_commits_of_other_people_on_the_branch_are_never_lost(
    template: SmallTemplate, project: Project, tmp_path: Path
) -> None:
    run(template, project)
    template.release("v1.2.0", {"notes.txt": "other\n"})
    reviewer = Project(tmp_path / "reviewer")
    project.git("worktree", "add", "--quiet", str(reviewer.path), "towpath/update")
    with pytest.raises(BlockedError, match="checked out"):
        run(template, project)
    (reviewer.path / "new.txt").write_text("ours\n")
    reviewer.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    project.git("worktree", "remove", str(reviewer.path))
    amended = project.git("rev-parse", "towpath/update")
    with pytest.raises(BlockedError, match="did not come from here"):
        run(template, project)
    assert project.git("rev-parse", "towpath/update") == amended


@pytest.mark.parametrize("how", ["merged", "where the branch is"])
def test_commits_of_other_people_that_are_merged_are_nobodys_pending_work(
    template: SmallTemplate, project: Project, how: str
) -> None:
    run(template, project)
    project.git("checkout", "--quiet", "towpath/update")
    edit(project, {"own.txt": "ours\n"})
    project.git("checkout", "--quiet", "main")
    template.release("v1.2.0", {"notes.txt": "other\n"})
    with pytest.raises(BlockedError, match="did not come from here"):
        run(template, project)
    project.git("merge", "--quiet", "--no-ff" if how == "merged" else "--ff-only", "towpath/update")
    assert run(template, project).state == "updated"
    assert project.git("rev-parse", "towpath/update^") == project.git("rev-parse", "HEAD")


def test_a_submodule_is_never_replaced(template: SmallTemplate, project: Project) -> None:
    project.git("update-index", "--add", "--cacheinfo", f"160000,{project.git('rev-parse', 'HEAD').strip()},new.txt")
    project.git("commit", "--quiet", "--message", "Add a submodule")
    before = seen(project)
    with pytest.raises(BlockedError, match=r"a submodule named new\.txt"):
        run(template, project)
    assert seen(project) == before
    run(template, project, partial=True)
    assert "160000 commit" in project.git("ls-tree", "towpath/update", "new.txt")


def test_a_blocked_plan_changes_nothing_and_says_why(template: SmallTemplate, project: Project) -> None:
    edit(project, {"notes.txt": changed(LINES, "line 9\n", "line 9, ours\n")})
    before = seen(project)
    with pytest.raises(BlockedError, match=r"notes\.txt"):
        run(template, project)
    assert seen(project) == before


def test_what_merges_can_be_had_without_what_conflicts(template: SmallTemplate, project: Project) -> None:
    ours = changed(LINES, "line 9\n", "line 9, ours\n")
    edit(project, {"notes.txt": ours})
    result = run(template, project, partial=True)
    assert result.state == "partial"
    assert project.git("show", "towpath/update:notes.txt") == ours
    assert project.git("show", "towpath/update:new.txt") == "new\n"
    assert "+line nine" in result.text


def test_a_project_that_moved_on_since_its_plan_is_left_alone(template: SmallTemplate, project: Project) -> None:
    repository = Repository.open(project.path)
    planned = plan(repository, template.open())
    edit(project, {"own.txt": "ours\n"})
    with pytest.raises(BlockedError, match="new commit"):
        update(repository, planned)


def test_a_check_runs_on_the_result_and_can_stop_it(template: SmallTemplate, project: Project) -> None:
    (project.path / "notes.txt").write_text("not committed\n")
    before = seen(project)
    with pytest.raises(BlockedError, match=r"failed\.\s+line nine"):
        run(template, project, check="grep nine notes.txt && test ! -e new.txt")
    assert seen(project) == before
    # It is a clone of its own: what the command leaves behind is not committed.
    run(
        template,
        project,
        check="grep nine notes.txt && git log && touch left-behind && git commit -qam x --allow-empty",
    )
    assert "left-behind" not in project.git("ls-tree", "--name-only", "towpath/update")
    assert project.git("rev-parse", "towpath/update^") == project.git("rev-parse", "HEAD")


CHANGES = {
    "type": "yaml",
    "when": False,
    "default": [
        {
            "release": "1.1.0",
            "file": "pyproject.toml",
            "why": "The old one is not maintained any more.",
            "actions": [
                {"add": "local-tool", "to": "dependency-groups.dev"},
                {"set": "tool.x.y", "to": 2, "from": 1},
            ],
        }
    ],
}
PYPROJECT = """\
[project]
name = "thing" # ours
version = "1"
requires-python = ">=3.11"

[dependency-groups]
dev = []

[tool.x]
y = 1

[tool.uv.sources]
local-tool = { path = "tool" }
"""


def test_a_release_changes_what_it_must_in_a_file_of_the_project_and_locks_it(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path)
    project = template.project(tmp_path / "thing")
    tool = '[project]\nname = "local-tool"\nversion = "1"\n'
    edit(project, {"pyproject.toml": PYPROJECT, "tool/pyproject.toml": tool})
    project.run("uv", "lock")
    project.commit("Lock")
    template.release("v1.1.0", {}, config={"changes": CHANGES})
    result = run(template, project)
    changed_file = changed(changed(PYPROJECT, "dev = []", 'dev = ["local-tool"]'), "y = 1", "y = 2")
    assert project.git("show", "towpath/update:pyproject.toml") == changed_file
    assert "local-tool" in project.git("show", "towpath/update:uv.lock")
    assert "The old one is not maintained" in result.text
    project.git("merge", "--quiet", "towpath/update")
    project.run("uv", "lock", "--check")
    # A project that changed the setting itself is told what to do.
    edit(project, {"pyproject.toml": changed(changed_file, "y = 2", "y = 5")})
    edit(project, {".copier-answers.yml": changed(project.text(".copier-answers.yml"), "v1.1.0", "v1.0.0")})
    (told,) = template.plan(project).changes
    assert (told.state, "set tool.x.y to 2" in told.instruction) == ("instruction", True)


def test_a_lock_that_cannot_be_made_stops_the_update(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path)
    project = template.project(tmp_path / "thing")
    edit(project, {"pyproject.toml": PYPROJECT, "uv.lock": "version = 1\n"})
    template.release("v1.1.0", {}, config={"changes": CHANGES})
    before = seen(project)
    with pytest.raises(BlockedError, match="`uv lock` failed"):
        run(template, project)
    assert seen(project) == before
    assert run(template, project, lock=False).state == "updated"


def test_a_project_in_a_folder_or_a_bare_repository_is_updated(template: SmallTemplate, tmp_path: Path) -> None:
    outer = Project(tmp_path / "outer")
    outer.path.mkdir()
    outer.git("init", "--quiet", "--initial-branch=main")
    template.project(outer.path / "services/one")
    (outer.path / "services/one/.git").rename(tmp_path / "gone")
    outer.commit()
    run(template, Project(outer.path / "services/one"), check="grep nine notes.txt")
    assert outer.git("show", "towpath/update:services/one/new.txt") == "new\n"
    assert outer.git("ls-tree", "--name-only", "towpath/update").split() == ["services"]
    bare = Project(tmp_path / "bare.git")
    template.project(tmp_path / "two").git("clone", "--quiet", "--bare", ".", str(bare.path))
    run(template, bare, check="grep nine notes.txt")
    assert bare.git("show", "towpath/update:new.txt") == "new\n"


def assert_all_or_nothing(project: Project, before: dict[str, str]) -> None:
    after = seen(project)
    if "towpath/update" in after["references"]:
        assert project.git("rev-parse", "towpath/update^") == project.git("rev-parse", "HEAD")
        assert project.git("show", "towpath/update:new.txt") == "new\n"
        assert {**after, "references": ""} == {**before, "references": ""}
    else:
        assert after == before
    project.git("fsck", "--connectivity-only", "--no-dangling")
    assert not list((project.path / ".git").rglob("*.lock"))


def test_an_update_interrupted_at_any_step_has_not_happened_or_has_happened_whole(
    template: SmallTemplate, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = seen(project)
    real = subprocess.run

    def finishes(at: int, *, after: bool) -> bool:
        """Whether an update ends before its step `at`; otherwise it is interrupted before or after that step."""
        steps = iter(range(at + 1))

        def interrupted(*arguments: Any, **options: Any) -> Any:
            last = next(steps) == at
            if last and not after:
                raise KeyboardInterrupt
            done = real(*arguments, **options)
            if last:
                raise KeyboardInterrupt
            return done

        with monkeypatch.context() as patched:
            patched.setattr("towpath.git.subprocess.run", interrupted)
            try:
                run(template, project, check="true")
            except KeyboardInterrupt:
                return False
        return True

    at = 0
    while not finishes(at, after=at % 2 == 0):
        assert_all_or_nothing(project, before)
        if "towpath/update" in seen(project)["references"]:
            project.git("branch", "--quiet", "-D", "towpath/update")
        at += 1
    assert at > 10


def test_a_killed_update_has_not_happened_or_has_happened_whole(template: SmallTemplate, project: Project) -> None:
    template.open()
    before = seen(project)
    towpath = [sys.executable, "-m", "towpath", "update", str(project.path), "--cache", str(template.cache)]
    started = time.monotonic()
    subprocess.run(towpath, check=True, capture_output=True)
    duration = time.monotonic() - started
    for seed in range(5):
        project.git("update-ref", "-d", "refs/heads/towpath/update")
        signals = signal.SIGINT if seed % 4 == 0 else signal.SIGKILL
        running = subprocess.Popen(towpath, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        time.sleep(duration * random.Random(seed).uniform(0.6, 1.05))
        os.killpg(running.pid, signals)
        output, _ = running.communicate()
        assert b"Traceback" not in output
        assert_all_or_nothing(project, before)
    assert run(template, project).state in {"updated", "unchanged"}


def test_here_takes_the_work_tree_along_only_when_nothing_is_in_the_way(
    template: SmallTemplate, project: Project
) -> None:
    (project.path / "notes.txt").write_text("not committed\n")
    before = seen(project)
    code, output = command(template, "update", str(project.path), "--here")
    assert (code, "uncommitted" in output) == (Exit.BLOCKED, True)
    assert seen(project) == before
    project.git("checkout", "--quiet", "notes.txt")
    assert command(template, "update", str(project.path), "--here")[0] == Exit.DONE
    assert project.text("new.txt") == "new\n"
    assert project.git("status", "--porcelain") == ""
    assert project.git("branch", "--format=%(refname:short)").split() == ["main"]


@pytest.mark.parametrize("ignored", [True, False], ids=["ignored", "untracked"])
@pytest.mark.parametrize("place", ["new.txt", "sub", "sub/deep/x.txt", "new.txt/inside"])
def test_here_overwrites_no_file_that_git_does_not_have(
    template: SmallTemplate, project: Project, place: str, ignored: bool
) -> None:
    template.release("v1.2.0", {"sub/deep/x.txt": "new\n"})
    mine = project.path / place
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine\n")
    if ignored:
        (project.path / ".git/info/exclude").write_text("new.txt\nsub\n")
    before = seen(project)
    code, output = command(template, "update", str(project.path), "--here")
    assert code == Exit.BLOCKED
    assert place.removesuffix("/inside") in output
    assert "git merge towpath/update" in " ".join(output.split())
    assert mine.read_text() == "mine\n"
    after = seen(project)
    assert [name for name in before if before[name] != after[name]] == ["references"]
    mine.unlink()
    if place.endswith("inside"):
        mine.parent.rmdir()
    project.git("merge", "--quiet", "towpath/update")
    assert project.text("new.txt") == "new\n"


def test_exit_codes_and_output_are_for_programs(template: SmallTemplate, project: Project, tmp_path: Path) -> None:
    path = str(project.path)
    assert command(template, "status", path)[0] == Exit.DONE
    assert command(template, "status", path, "--check")[0] == Exit.BEHIND
    code, output = command(template, "status", path, str(tmp_path / "small"))
    assert (code, "towpath adopt" in output) == (Exit.DONE, True)
    before = seen(project)
    assert command(template, "update", path, "--dry-run")[0] == Exit.DONE
    assert seen(project) == before
    edit(project, {"notes.txt": changed(LINES, "line 9\n", "line 9, ours\n")})
    assert command(template, "plan", path)[0] == Exit.BLOCKED
    code, output = command(template, "update", path, "--log", str(tmp_path / "logs"))
    assert (code, "notes.txt" in output) == (Exit.BLOCKED, True)
    assert "notes.txt" in (tmp_path / "logs/thing.log").read_text()
    assert command(template, "plan", path, "--data", "nonsense")[0] == Exit.USAGE
    code, output = command(template, "update", path, "--json", "--partial")
    assert (code, json.loads(output)[0]["state"]) == (Exit.DONE, "partial")


def test_output_that_no_terminal_reads_has_no_colours_and_one_line_per_fact(
    template: SmallTemplate, project: Project
) -> None:
    towpath = [sys.executable, "-m", "towpath", "plan", str(project.path), "--cache", str(template.cache)]
    plain = subprocess.run(towpath, capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "20"})
    assert not re.search(r"\x1b", plain.stdout)
    assert len(plain.stdout.splitlines()) == 5
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"FORCE_COLOR": "1"}
    colours = subprocess.run(towpath, capture_output=True, text=True, check=True, env=environment)
    assert re.search(r"\x1b\[[\d;]*3\dm", colours.stdout)
    calm = subprocess.run(towpath, capture_output=True, text=True, check=True, env=environment | {"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[\d;]*3\dm", calm.stdout)


def test_shells_complete_commands(template: SmallTemplate) -> None:
    environment = os.environ | {"_TOWPATH_COMPLETE": "complete_bash", "COMP_WORDS": "towpath up", "COMP_CWORD": "1"}
    entry = [sys.executable, "-c", "import sys; sys.argv = ['towpath']; from towpath.cli import main; main()"]
    assert "update" in subprocess.run(entry, capture_output=True, text=True, env=environment, cwd=template.path).stdout
