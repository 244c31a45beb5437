"""`towpath plan` predicts what an update does, without touching anything."""

import os
from pathlib import Path
from typing import Any

import copier
import pytest
from copier.errors import UnsafeTemplateError

from towpath.errors import (
    NeedsTrustError,
    NotARepositoryError,
    NotFromTemplateError,
    OtherTemplateError,
    RenderError,
    TemplateError,
    UnknownVersionError,
)
from towpath.plan import plan
from towpath.repository import Repository
from towpath.status import status
from towpath.template import Template, identity
from towpath.update import update

from ..project import Project
from .small import FILES, LINES, QUESTIONS, Files, SmallTemplate, changed, edit

NEW_LINES = changed(LINES, "line 9\n", "line nine\n")


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    """A template with a second release that changes a few files."""
    return SmallTemplate.make(tmp_path)


@pytest.fixture
def project(template: SmallTemplate, tmp_path: Path) -> Project:
    return template.project(tmp_path / "thing")


def everything(folder: Path) -> dict[str, tuple[float, bytes]]:
    """Every file of a folder, `.git` included, with its time."""
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_a_plan_says_what_changes_and_touches_nothing(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES, "new.txt": "new\n", "settings.toml": None})
    edit(project, {"deep/er/paint.txt": "ours\n"})
    (project.path / "notes.txt").write_text("not committed\n")
    before = everything(project.path)
    planned = template.plan(project)
    assert (planned.state, planned.old, planned.new) == ("clean", "v1.0.0", "v1.1.0")
    assert planned.files == {
        ".copier-answers.yml": "changed",
        "new.txt": "added",
        "notes.txt": "changed",
        "settings.toml": "deleted",
    }
    assert everything(project.path) == before
    assert "writes" not in planned.to_json()


def test_a_project_at_the_newest_release_is_current(template: SmallTemplate, project: Project) -> None:
    edit(project, {"notes.txt": "ours\n"})
    assert template.plan(project).state == "current"


def test_edits_beside_the_templates_are_merged(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    edit(project, {"notes.txt": "ours\n" + LINES})
    planned = template.plan(project)
    assert planned.merged == {"notes.txt": "text"}
    written = planned.writes["notes.txt"]
    assert written
    assert written.content.decode() == "ours\n" + NEW_LINES


def test_a_conflict_blocks_and_says_where_and_what_the_template_wanted(
    template: SmallTemplate, project: Project
) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    edit(project, {"notes.txt": changed(LINES, "line 9\n", "line 9, ours\n")})
    planned = template.plan(project)
    assert planned.state == "blocked"
    (conflict,) = planned.conflicts
    assert conflict.path == "notes.txt"
    assert "+line nine\n" in conflict.diff
    assert "notes.txt" not in planned.writes


def test_edits_follow_a_file_that_the_template_renames(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": None, "remarks.txt": NEW_LINES})
    edit(project, {"notes.txt": "ours\n" + LINES})
    planned = template.plan(project)
    assert planned.state == "clean"
    assert [lost.path for lost in planned.lost_edits] == ["notes.txt"]
    assert planned.files["notes.txt"] == "deleted"
    written = planned.writes["remarks.txt"]
    assert written
    assert written.content.decode() == "ours\n" + NEW_LINES
    # The claim about plain Copier, held against it.
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True)
    assert "ours" not in project.text("remarks.txt")
    assert not (project.path / "notes.txt").exists()


def test_an_edited_file_that_the_template_deletes_blocks(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": None})
    edit(project, {"notes.txt": "ours\n" + LINES})
    planned = template.plan(project)
    assert planned.state == "blocked"
    assert [lost.path for lost in planned.lost_edits] == ["notes.txt"]
    assert [conflict.path for conflict in planned.conflicts] == ["notes.txt"]
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True)
    assert not (project.path / "notes.txt").exists()


def test_a_renamed_file_that_both_sides_changed_blocks_with_nothing_written(
    template: SmallTemplate, project: Project
) -> None:
    template.release("v1.1.0", {"notes.txt": None, "remarks.txt": NEW_LINES})
    edit(project, {"notes.txt": changed(LINES, "line 9\n", "line 9, ours\n")})
    planned = template.plan(project)
    assert planned.state == "blocked"
    assert {"notes.txt", "remarks.txt"} == {conflict.path for conflict in planned.conflicts}
    assert not {"notes.txt", "remarks.txt"} & planned.writes.keys()


def test_files_that_both_sides_add_conflict_unless_they_are_the_same(template: SmallTemplate, project: Project) -> None:
    template.release(
        "v1.1.0", {"same.txt": "same\n", "other.txt": "theirs\n", "folder": "a file\n", "deep/file/x": "x\n"}
    )
    edit(project, {"same.txt": "same\n", "other.txt": "ours\n", "folder/x": "ours\n", "deep/file": "ours\n"})
    planned = template.plan(project)
    assert {conflict.path for conflict in planned.conflicts} == {"other.txt", "folder", "deep/file/x"}
    assert "same.txt" not in planned.files


@pytest.mark.parametrize("place", ["deep", "deep/er/new.txt", "deep/er"])
def test_a_submodule_that_lies_where_the_template_brings_files_blocks(
    template: SmallTemplate, project: Project, place: str
) -> None:
    template.release("v1.1.0", {"deep/er/new.txt": "new\n", "deep/er/paint.txt.jinja": "{{ colour }}\n"})
    project.git("rm", "--quiet", "-r", "deep")
    project.git("update-index", "--add", "--cacheinfo", f"160000,{project.git('rev-parse', 'HEAD').strip()},{place}")
    project.git("commit", "--quiet", "--message", "Add a submodule")
    planned = template.plan(project)
    assert planned.state == "blocked"
    assert f"deep/er/new.txt: the template adds it where the project has a submodule named {place}" in planned.reasons


def test_a_link_where_the_template_has_a_folder_blocks_what_changes_below_it(
    template: SmallTemplate, project: Project
) -> None:
    project.git("mv", "deep", "moved")
    (project.path / "deep").symlink_to("moved")
    project.commit("Move")
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    assert template.plan(project).state == "clean"
    template.release("v1.2.0", {"deep/er/paint.txt.jinja": "{{ colour }}\n", "deep/new.txt": "new\n"})
    planned = template.plan(project)
    assert planned.state == "blocked"
    assert [conflict.path for conflict in planned.conflicts] == ["deep/er/paint.txt", "deep/new.txt"]
    assert all("a link named deep" in reason for reason in planned.reasons)


def test_edits_that_copier_would_move_below_a_link_stay(template: SmallTemplate, project: Project) -> None:
    project.git("mv", "deep", "moved")
    (project.path / "deep").symlink_to("moved")
    edit(project, {"notes.txt": "ours\n" + LINES})
    template.release("v1.1.0", {"notes.txt": None, "deep/notes.txt": NEW_LINES})
    planned = template.plan(project)
    assert {conflict.path for conflict in planned.conflicts} == {"notes.txt", "deep/notes.txt"}
    assert not {"notes.txt", "deep/notes.txt"} & planned.writes.keys()


def test_a_template_may_turn_a_file_into_a_folder_and_back(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path, {"conf": "a\n", "folder/x.txt": "x\n"})
    project = template.project(tmp_path / "thing")
    (template.path / "template/conf").unlink()
    (template.path / "template/folder/x.txt").unlink()
    (template.path / "template/folder").rmdir()
    template.release("v1.1.0", {"conf/main": "b\n", "folder": "y\n"})
    planned = template.plan(project)
    assert planned.state == "clean"
    assert planned.files == {
        ".copier-answers.yml": "changed",
        "conf": "deleted",
        "conf/main": "added",
        "folder": "added",
        "folder/x.txt": "deleted",
    }
    commit = update(Repository.open(project.path), planned).commit
    assert commit
    listed = project.git("ls-tree", "-r", "--name-only", commit).split()
    assert {"conf/main", "folder"} <= set(listed)
    # What the project has there as well is in the way still.
    edit(project, {"folder/ours.txt": "ours\n"})
    assert [conflict.path for conflict in template.plan(project).conflicts] == ["folder"]


def silently_lost(project: Project, path: str, mark: bytes) -> bool:
    """Whether plain Copier loses an edit without leaving anything unmerged."""
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True)
    return mark not in (project.path / path).read_bytes() and not project.git("ls-files", "--unmerged")


@pytest.mark.parametrize("theirs", [LINES, NEW_LINES], ids=["that the template leaves", "that the template changes"])
@pytest.mark.parametrize(
    ("mark", "cause"),
    [(b"caf\xe9", "not UTF-8"), (b"ou\0rs", "binary"), ("ours".encode("utf-16"), "binary")],
    ids=["latin-1", "a NUL", "UTF-16"],
)
def test_an_edit_that_copier_drops_is_at_risk(
    template: SmallTemplate, project: Project, mark: bytes, cause: str, theirs: str
) -> None:
    template.release("v1.1.0", {"notes.txt": theirs, "new.txt": "new\n"})
    edit(
        project,
        {"notes.txt": mark + b"\n" + LINES.encode(), "settings.toml": "# \xfcber\n" + str(FILES["settings.toml"])},
    )
    (lost,) = template.plan(project).lost_edits
    assert lost.path == "notes.txt"
    assert cause in lost.cause
    assert silently_lost(project, "notes.txt", mark)
    assert "\xfcber" in project.text("settings.toml")


def test_a_setting_of_git_that_hides_rejected_edits_puts_them_at_risk(
    template: SmallTemplate, project: Project
) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    edit(project, {"notes.txt": changed(LINES, "line 9\n", "ours\n"), "settings.toml": "ours\n"})
    assert not template.plan(project).lost_edits
    project.git("config", "status.showUntrackedFiles", "normal")
    assert not template.plan(project).lost_edits
    project.git("config", "status.showUntrackedFiles", "no")
    (lost,) = template.plan(project).lost_edits
    assert lost.path == "notes.txt"
    assert "status.showUntrackedFiles=no" in lost.cause
    assert silently_lost(project, "notes.txt", b"ours")


def test_an_edit_that_the_template_made_as_well_is_not_at_risk(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": b"caf\xe9\n"})
    edit(project, {"notes.txt": b"caf\xe9\n", "own.bin": b"\0\xe9"})
    assert not template.plan(project).lost_edits


def test_a_file_taken_over_by_an_answer_stays_deleted_as_with_copier(tmp_path: Path) -> None:
    config = questions(
        ejected={"type": "yaml", "default": []}, kept={"type": "yaml", "when": False, "default": "{{ ejected }}"}
    )
    skip = ["{{ (kept or [])[0] }}", "run.sh"]
    template = SmallTemplate.make(tmp_path)
    template.release("v1.1.0", {}, config=config, skip_if_exists=skip)
    project = template.project(tmp_path / "thing", "v1.1.0", ejected=["notes.txt"])
    project.git("rm", "--quiet", "notes.txt", "run.sh")
    project.commit("Delete")
    template.release("v1.2.0", {"notes.txt": NEW_LINES, "run.sh": "other\n"}, config=config, skip_if_exists=skip)
    planned = template.plan(project)
    assert planned.files == {".copier-answers.yml": "changed", "run.sh": "added"}
    copier.run_update(project.path, defaults=True, overwrite=True, quiet=True)
    assert not (project.path / "notes.txt").exists()
    assert (project.path / "run.sh").exists()


def test_a_deleted_file_stays_deleted_and_one_written_once_stays_as_it_is(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path, skip_if_exists=["notes.txt", "run.sh"])
    project = template.project(tmp_path / "thing")
    project.git("rm", "--quiet", "settings.toml", "run.sh")
    edit(project, {"notes.txt": "ours\n"})
    files = {"settings.toml": "[other]\n", "notes.txt": "other\n", "run.sh": "other\n"}
    template.release("v1.1.0", files, skip_if_exists=["notes.txt", "run.sh"])
    planned = template.plan(project)
    assert planned.state == "clean"
    assert planned.files == {".copier-answers.yml": "changed", "run.sh": "added"}


@pytest.mark.parametrize(
    ("name", "base", "theirs", "ours", "merged"),
    [
        (
            "settings.toml",
            '[one]\nlist = ["a", "b<1"]\nx = 1\n',
            '[one]\nlist = ["c", "a", "b<2"]\nx = 1\n',
            '[one]\n# why\nlist = ["a", "b<1", "ours"]\nx = 2\n',
            '[one]\n# why\nlist = ["c", "a", "b<2", "ours"]\nx = 2\n',
        ),
        (
            "hooks.yaml",
            "repos:\n  - repo: x\n    hooks:\n      - id: a\n        rev: 1\n",
            "repos:\n  - repo: x\n    hooks:\n      - id: b\n      - id: a\n        rev: 2\n",
            "repos:\n  - repo: x\n    hooks:\n      - id: a # ours\n        rev: 1\n      - id: ours\n",
            "repos:\n  - repo: x\n    hooks:\n      - id: b\n      - id: a # ours\n        rev: 2\n      - id: ours\n",
        ),
        (
            "it.json",
            '{\n  "a": 1\n}\n',
            '{\n  "a": 2\n}\n',
            '{\n  "a": 1,\n  "b": 3\n}\n',
            '{\n  "a": 2,\n  "b": 3\n}\n',
        ),
    ],
    ids=["toml", "yaml", "json"],
)
def test_keys_are_merged_where_lines_conflict(
    tmp_path: Path, name: str, base: str, theirs: str, ours: str, merged: str
) -> None:
    template = SmallTemplate.make(tmp_path, {name: base})
    project = template.project(tmp_path / "thing")
    template.release("v1.1.0", {name: theirs})
    edit(project, {name: ours})
    planned = template.plan(project)
    assert planned.merged == {name: "structure"}
    written = planned.writes[name]
    assert written
    assert written.content.decode() == merged


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [('list = ["b<2"]\n', 'list = ["b<3"]\n'), ("list = []\n", 'list = ["b<3"]\n'), ("list = 1\n", "list = 2\n")],
)
def test_a_key_that_both_sides_changed_is_a_conflict(tmp_path: Path, theirs: str, ours: str) -> None:
    template = SmallTemplate.make(tmp_path, {"settings.toml": 'list = ["b<1"]\n'})
    project = template.project(tmp_path / "thing")
    template.release("v1.1.0", {"settings.toml": theirs})
    edit(project, {"settings.toml": ours})
    assert [conflict.path for conflict in template.plan(project).conflicts] == ["settings.toml"]


def test_windows_line_ends_stay_and_conflict_with_nothing(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    edit(project, {"notes.txt": ("ours\n" + LINES).replace("\n", "\r\n")})
    planned = template.plan(project)
    assert planned.state == "clean"
    written = planned.writes["notes.txt"]
    assert written
    assert written.content.decode() == ("ours\n" + NEW_LINES).replace("\n", "\r\n")


def test_modes_links_binary_files_and_odd_names_are_kept(tmp_path: Path) -> None:
    binary = bytes(range(256)) * 10
    odd = 'with "quotes" and ünïcode\t.txt'
    template = SmallTemplate.make(tmp_path, {"image.bin": binary, odd: LINES}, preserve_symlinks=True)
    project = template.project(tmp_path / "thing")
    link = template.path / "template/link"
    link.symlink_to("notes.txt")
    files: Files = {"image.bin": binary + b"\0more", odd: NEW_LINES, "notes.txt": NEW_LINES}
    template.release("v1.1.0", files, preserve_symlinks=True)
    (project.path / "run.sh").chmod(0o644)
    (project.path / "notes.txt").rename(project.path / "moved.txt")
    (project.path / "notes.txt").symlink_to("moved.txt")
    edit(project, {odd: "ours\n" + LINES})
    planned = template.plan(project)
    assert planned.state == "clean"
    assert "notes.txt" not in planned.writes
    assert planned.writes["link"] == ("120000", b"notes.txt")
    assert planned.writes["image.bin"] == ("100644", binary + b"\0more")
    assert planned.writes[odd] == ("100644", ("ours\n" + NEW_LINES).encode())
    assert "run.sh" not in planned.writes
    edit(project, {"image.bin": binary + b"ours"})
    assert [conflict.path for conflict in template.plan(project).conflicts] == ["image.bin"]


def questions(**changes: Any) -> dict[str, Any]:
    return {**QUESTIONS, **changes}


@pytest.mark.parametrize(
    ("colour", "why"),
    [
        ({"type": "str", "choices": ["red", "blue"], "default": "red"}, "not in"),
        ({"type": "str", "default": "red", "validator": "{% if colour == 'green' %}no green{% endif %}"}, "no green"),
        ({"type": "str", "default": "red", "when": "{{ name == 'other' }}"}, "not asked"),
    ],
    ids=["a choice that is gone", "a tightened validator", "a question that is hidden"],
)
def test_an_answer_that_would_flip_blocks(tmp_path: Path, colour: dict[str, Any], why: str) -> None:
    template = SmallTemplate.make(tmp_path)
    project = template.project(tmp_path / "thing", colour="green")
    template.release("v1.1.0", {}, config=questions(colour=colour))
    planned = template.plan(project)
    assert planned.state == "blocked"
    (flipped,) = planned.flipped
    assert (flipped.name, flipped.old, flipped.new) == ("colour", "green", "red")
    assert why in flipped.why
    # Said on purpose, the same is an update.
    assert template.plan(project, colour="red").state == "clean"


def test_questions_that_need_an_answer_are_all_named_before_anything_happens(
    template: SmallTemplate, project: Project
) -> None:
    needed = {"size": {"type": "int"}, "owner": {"type": "str", "validator": "{% if not owner %}who?{% endif %}"}}
    template.release("v1.1.0", {"owner.txt.jinja": "{{ owner }} {{ size }}\n"}, config=questions(**needed))
    planned = template.plan(project)
    assert planned.state == "blocked"
    assert [question.name for question in planned.questions] == ["size", "owner"]
    planned = template.plan(project, size=3, owner="me")
    assert planned.state == "clean"
    assert planned.writes["owner.txt"] == ("100644", b"me 3\n")
    with pytest.raises(RenderError, match="who"):
        template.plan(project, size=3, owner="")


def test_an_answer_to_no_question_is_refused(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    with pytest.raises(TemplateError, match=r"v1\.1\.0 of the template asks no question color\. Do you mean colour\?"):
        template.plan(project, color="blue")


def test_a_question_that_is_renamed_with_its_answer_carries_on(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path)
    project = template.project(tmp_path / "thing", colour="green")
    renamed = {"name": QUESTIONS["name"], "hue": {"type": "str", "default": "{{ colour | default('red') }}"}}
    template.release("v1.1.0", {"deep/er/paint.txt.jinja": "{{ hue }}\n" + LINES}, config=renamed)
    planned = template.plan(project)
    assert planned.state == "clean"
    assert [question.name for question in planned.forgotten] == ["colour"]
    assert "deep/er/paint.txt" not in planned.files


@pytest.mark.parametrize(
    "settings",
    [
        {"tasks": ["touch ran"]},
        {"migrations": [{"version": "v1.1.0", "command": "touch ran"}]},
        {"jinja_extensions": ["os.Extension"]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_template_that_wants_to_run_code_is_refused(
    template: SmallTemplate, project: Project, settings: dict[str, Any]
) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES}, **settings)
    with pytest.raises(NeedsTrustError, match=next(iter(settings))):
        template.plan(project)
    with pytest.raises(UnsafeTemplateError):
        copier.run_update(project.path, defaults=True, overwrite=True, quiet=True)
    told = status(Repository.open(project.path), template.open())
    assert (told.behind, told.problem) == (1, None)


def test_versions_are_ordered_as_copier_orders_them(template: SmallTemplate, project: Project) -> None:
    for tag in ("v1.10.0", "v1.9.0", "v2.0.0rc1", "not-a-version"):
        template.release(tag, {"notes.txt": f"{tag}\n"})
    source = template.open()
    assert source.versions == ["v1.0.0", "v1.9.0", "v1.10.0"]
    assert source.behind("v1.0.0") == 2
    assert template.plan(project).new == "v1.10.0"
    assert template.plan(project, "v1.9.0").writes["notes.txt"] == ("100644", b"v1.9.0\n")
    edit(project, {".copier-answers.yml": changed(project.text(".copier-answers.yml"), "v1.0.0", "v1.10.0")})
    with pytest.raises(TemplateError, match="never goes back"):
        template.plan(project, "v1.9.0")


def test_a_commit_without_a_tag_is_a_version_too(template: SmallTemplate, tmp_path: Path) -> None:
    template.release(None, {"notes.txt": "between\n"})
    project = template.project(tmp_path / "thing", "HEAD")
    assert Repository.open(project.path).version.startswith("v1.0.0-1-g")
    assert template.plan(project).state == "current"
    template.release("v1.1.0", {"notes.txt": "after\n"})
    planned = template.plan(project)
    assert (planned.state, planned.files["notes.txt"]) == ("clean", "changed")
    assert template.open().behind(planned.old) == 1


def test_a_template_without_releases_is_followed_by_its_branch(tmp_path: Path) -> None:
    template = SmallTemplate(tmp_path / "small", tmp_path / "cache")
    template.path.mkdir()
    Project(template.path).git("init", "--quiet", "--initial-branch=trunk")
    template.release(None, FILES)
    # A commit whose abbreviated id could be taken for the number of a version.
    repository = Project(template.path)
    for number in range(1000):
        if repository.git("rev-parse", "--short", "HEAD").strip().isdecimal():
            break
        repository.git("commit", "--quiet", "--amend", f"--message={number}")
    project = template.project(tmp_path / "thing", "HEAD")
    template.release(None, {"notes.txt": NEW_LINES})
    planned = template.plan(project)
    assert planned.files == {".copier-answers.yml": "changed", "notes.txt": "changed"}


def test_what_a_repository_is_not_is_said(template: SmallTemplate, project: Project, tmp_path: Path) -> None:
    def reopened() -> Repository:
        return Repository.open(project.path)

    with pytest.raises(NotARepositoryError, match="not a folder"):
        Repository.open(tmp_path / "missing")
    (tmp_path / "plain").mkdir()
    with pytest.raises(NotARepositoryError, match="no git repository"):
        Repository.open(tmp_path / "plain")
    Project(tmp_path / "plain").git("init", "--quiet")
    with pytest.raises(NotARepositoryError, match="no commit"):
        Repository.open(tmp_path / "plain")
    edit(Project(tmp_path / "plain"), {"a": "b"})
    with pytest.raises(NotFromTemplateError, match="towpath adopt"):
        Repository.open(tmp_path / "plain")
    answers = project.text(".copier-answers.yml")
    edit(project, {".copier-answers.yml": changed(answers, "v1.0.0", "v0.0.7")})
    with pytest.raises(UnknownVersionError, match=r"v0\.0\.7"):
        plan(reopened(), template.open())
    assert "v0.0.7" in (status(reopened(), template.open()).problem or "")
    edit(project, {".copier-answers.yml": answers.replace(str(template.path), "gh:somebody/else")})
    with pytest.raises(OtherTemplateError, match="somebody/else"):
        plan(reopened(), template.open())
    edit(project, {".copier-answers.yml": answers.replace("red", "purple")})
    with pytest.raises(RenderError, match="purple"):
        plan(reopened(), template.open(), "v1.0.0", {"name": "x"})
    edit(project, {".copier-answers.yml": "{"})
    with pytest.raises(NotFromTemplateError, match="not YAML"):
        reopened()
    with pytest.raises(TemplateError, match="cannot be fetched"):
        Template.open(str(tmp_path / "nowhere"), tmp_path / "cache")


@pytest.mark.parametrize("kind", ["bare", "shallow", "detached", "other branch", "worktree", "submodule", "dirty"])
def test_every_kind_of_repository_can_be_planned(
    template: SmallTemplate, project: Project, tmp_path: Path, kind: str
) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    edit(project, {"more.txt": "more\n"})
    folder = tmp_path / "kind"
    match kind:
        case "bare":
            project.git("clone", "--quiet", "--bare", ".", str(folder))
        case "shallow":
            project.git("clone", "--quiet", "--depth=1", f"file://{project.path}", str(folder))
        case "worktree":
            project.git("worktree", "add", "--quiet", "-b", "side", str(folder))
        case "submodule":
            outer = Project(tmp_path / "outer")
            outer.path.mkdir()
            outer.git("init", "--quiet")
            outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(project.path), "inner")
            folder = outer.path / "inner"
        case _:
            project.git("clone", "--quiet", ".", str(folder))
            clone = Project(folder)
            if kind == "detached":
                clone.git("checkout", "--quiet", "--detach")
            elif kind == "other branch":
                clone.git("branch", "--quiet", "--move", "trunk")
            else:
                (folder / "notes.txt").write_text("dirty\n")
                (folder / ".copier-answers.yml").unlink()
    planned = plan(Repository.open(folder), template.open())
    assert planned.files == {".copier-answers.yml": "changed", "notes.txt": "changed"}


def test_a_project_in_a_folder_of_its_repository_can_be_planned(template: SmallTemplate, tmp_path: Path) -> None:
    outer = Project(tmp_path / "outer")
    outer.path.mkdir()
    outer.git("init", "--quiet")
    template.project(outer.path / "services/one")
    (outer.path / "services/one/.git").rename(tmp_path / "gone")
    outer.commit()
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    planned = plan(Repository.open(outer.path / "services/one"), template.open())
    assert planned.files == {".copier-answers.yml": "changed", "notes.txt": "changed"}


def test_huge_answers_change_nothing(tmp_path: Path) -> None:
    template = SmallTemplate.make(tmp_path)
    project = template.project(tmp_path / "thing", name="é" * 300_000)
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    assert template.plan(project).state == "clean"


def test_a_status_tells_drift_per_file(template: SmallTemplate, project: Project) -> None:
    template.release("v1.1.0", {"notes.txt": NEW_LINES})
    project.git("rm", "--quiet", "settings.toml")
    (project.path / "run.sh").chmod(0o644)
    edit(project, {"notes.txt": NEW_LINES})
    told = status(Repository.open(project.path), template.open())
    assert (told.version, told.latest, told.behind) == ("v1.0.0", "v1.1.0", 1)
    assert told.drift == {
        "deep/er/paint.txt": "same",
        "notes.txt": "edited",
        "run.sh": "edited",
        "settings.toml": "missing",
    }


def test_notes_are_those_of_the_releases_between(template: SmallTemplate) -> None:
    entries = {"0.9.0": "old", "1.0.0": "first", "1.1.0": "second", "2.0.0": "third"}
    for tag in ("v1.1.0", "v2.0.0"):
        log = "# Changelog\n\n" + "".join(f"## {name}\n\n{text}\n\n" for name, text in reversed(entries.items()))
        (template.path / "CHANGELOG.md").write_text(log)
        template.release(tag, {"notes.txt": tag})
    source = template.open()
    assert source.notes("v1.0.0", "v2.0.0") == "## 2.0.0\n\nthird\n\n## 1.1.0\n\nsecond"
    assert source.notes("v1.0.0", "v1.1.0") == "## 1.1.0\n\nsecond"


@pytest.mark.parametrize(
    "source",
    [
        "gh:acme/towpath",
        "https://github.com/acme/towpath",
        "https://github.com/acme/towpath.git",
        "git+https://me:secret@github.com/acme/towpath.git",
        "git@github.com:acme/towpath.git",
        "ssh://git@github.com:22/acme/towpath.git",
    ],
)
def test_all_ways_to_write_an_address_are_one_template(source: str) -> None:
    assert identity(source) == "github.com/acme/towpath"
    assert Template(source, Path(os.devnull)).made("gh:acme/towpath")
    assert Template(source, Path(os.devnull)).made("/mirrors/towpath.git")
    assert not Template(source, Path(os.devnull)).made("gh:acme/otherpath")
