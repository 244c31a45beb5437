"""What people set in their git, how they clone, and two updates at once, change nothing about an update."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from towpath import update as updating
from towpath.errors import BlockedError, TemplateError
from towpath.git import git
from towpath.plan import plan
from towpath.repository import Repository
from towpath.status import status
from towpath.update import lock_file, update

from ..project import Project
from .small import LINES, SmallTemplate, changed, edit

SETTINGS = {
    "safe.bareRepository": "explicit",
    "core.hooksPath": "HOOKS",
    "commit.gpgSign": "true",
    "tag.gpgSign": "true",
    "gpg.program": "false",
    "log.showSignature": "true",
    "commit.template": "/nowhere",
    "init.defaultBranch": "trunk",
    "merge.conflictStyle": "zdiff3",
    "diff.external": "false",
    "core.autocrlf": "true",
    "core.eol": "crlf",
    "color.ui": "always",
    "protocol.file.allow": "never",
    "status.showUntrackedFiles": "no",
    "diff.noprefix": "true",
    "fetch.prune": "true",
    "push.default": "nothing",
    "core.quotePath": "true",
}


@pytest.fixture
def template(tmp_path: Path) -> SmallTemplate:
    return SmallTemplate.make(tmp_path)


@pytest.fixture
def project(template: SmallTemplate, tmp_path: Path) -> Project:
    """A project that added a line beside one that a release changed."""
    made = template.project(tmp_path / "thing")
    edit(made, {"settings.toml": made.text("settings.toml").replace("a = 1\n", "a = 1\nours = 1\n")})
    template.release("v1.1.0", {"settings.toml": 'name = "it"\n\n[one]\na = 2\nb = 2\n\n[two]\nc = 3\n'})
    return made


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_of_a_person_changes_an_update(
    template: SmallTemplate, project: Project, tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    template.open()  # as an earlier run left it: that a person lets git clone no folder is a reason to refuse one
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "commit-msg", "post-checkout", "post-merge", "reference-transaction"):
        (hooks / name).write_text("#!/bin/sh\nexit 1\n")
        (hooks / name).chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    project.git("config", "--global", "user.name", "A Person")
    project.git("config", "--global", "user.email", "person@example.org")
    project.git("config", "--global", setting, SETTINGS[setting].replace("HOOKS", str(hooks)))
    repository = Repository.open(project.path)
    planned = plan(repository, template.open_as_is())
    assert planned.state == "clean"
    assert planned.merged == {"settings.toml": "structure"}
    result = update(repository, planned, check="test -f settings.toml")
    assert result.state == "updated"
    assert "a = 2\nours = 1\n" in git(project.path, "show", f"{result.commit}:settings.toml").decode()
    again = update(repository, plan(repository, template.open_as_is()))
    assert (again.state, again.commit) == ("unchanged", result.commit)


@pytest.mark.parametrize("how", [["--depth=1"], ["--filter=blob:none"], ["--filter=tree:0"]])
def test_a_shallow_or_partial_clone_is_updated(
    template: SmallTemplate, project: Project, tmp_path: Path, how: list[str]
) -> None:
    project.git("config", "uploadpack.allowFilter", "true")
    clone = Project(tmp_path / "clone")
    project.git("clone", "--quiet", *how, f"file://{project.path}", str(clone.path))
    repository = Repository.open(clone.path)
    assert update(repository, plan(repository, template.open())).state == "updated"


def test_updates_at_once_follow_each_other(template: SmallTemplate, project: Project) -> None:
    template.open()
    command = [sys.executable, "-m", "towpath", "update", str(project.path), "--cache", str(template.cache)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    said = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, said
    assert "cannot lock ref" not in "".join(said)


def test_an_update_does_not_wait_for_ever(
    template: SmallTemplate, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.open(project.path)
    planned = plan(repository, template.open())
    monkeypatch.setattr(updating, "_PATIENCE", 0.2)
    script = (
        "import filelock, sys, time\nwith filelock.FileLock(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    )
    held = subprocess.Popen(
        [sys.executable, "-c", script, str(lock_file(repository))], stdout=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout
        assert held.stdout.readline() == "held\n"
        with pytest.raises(BlockedError, match="another update of it is under way"):
            update(repository, planned)
    finally:
        held.kill()
        held.wait()
    started = time.monotonic()
    assert update(repository, planned).state == "updated"
    assert time.monotonic() - started < 60


def test_a_tag_that_is_no_version_is_told_and_an_organisations_own_suffix_works(
    template: SmallTemplate, project: Project, tmp_path: Path
) -> None:
    """An organisation's release beside upstream's: SemVer's own suffix means a pre-release, or nothing, to PEP 440."""
    template.release("v1.1.0-acme.1", {"acme.txt": "acme\n"})
    template.release("v1.2.0", {"acme.txt": None})
    acme = template.project(tmp_path / "acme", "v1.1.0-acme.1")
    with pytest.raises(TemplateError, match=r"v1.1.0-acme.1 is a tag .* tag as v1.2.3\+acme.1"):
        template.plan(acme)
    assert "is no version" in str(status(Repository.open(acme.path), template.open()).problem)

    for tag in ("v1.2.0+acme.1", "v1.2.0.post2", "v1.2.0.post3+acme.1"):
        template.release(tag, {"acme.txt": f"{tag}\n", "notes.txt": changed(LINES, "line 2\n", f"{tag}\n")})
    assert template.open().versions[-4:] == ["v1.2.0", "v1.2.0+acme.1", "v1.2.0.post2", "v1.2.0.post3+acme.1"]
    planned = template.plan(project)
    assert (planned.state, planned.new) == ("clean", "v1.2.0.post3+acme.1")
    assert template.open().behind("v1.2.0+acme.1") == 2
    template.release("v1.3.0", {"acme.txt": "upstream\n"})
    assert template.plan(template.project(tmp_path / "post", "v1.2.0.post3+acme.1")).new == "v1.3.0"
