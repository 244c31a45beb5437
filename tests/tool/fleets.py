"""Fleets on a forge of this machine, and the command line at work on them."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

from towpath import survey
from towpath.cli import main

from .forges.github import FakeGitHub
from .forges.gitlab import FakeGitLab
from .forges.server import FakeForge, Hosted
from .small import LINES, SmallTemplate

OUTSIDE = ("GITHUB_", "GH_", "GITLAB_", "CI", "GIT_")


def releases(folder: Path) -> SmallTemplate:
    """A template with two releases."""
    template = SmallTemplate.make(folder)
    template.release("v1.1.0", {"notes.txt": f"first\n{LINES}"})
    return template


def populate(forge: FakeForge, template: SmallTemplate, names: list[str], **properties: Any) -> list[Hosted]:
    """Host repositories that were all made from the first release."""
    seed = forge.folder / "seed"
    if not seed.exists():
        template.project(seed)
    found = []
    for name in names:
        hosted = forge.host_empty(name, **properties)
        hosted.git("fetch", "--quiet", str(seed), "+HEAD:refs/heads/main")
        found.append(hosted)
    return found


def commit(hosted: Hosted, files: dict[str, str], branch: str = "main") -> str:
    """Push a commit that writes files, as a developer would."""
    work = hosted.path.with_suffix(".work")
    subprocess.run(["git", "clone", "--quiet", "--branch", branch, hosted.path, work], check=True, capture_output=True)
    for path, content in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(content)
    identity = ["-c", "user.name=A Developer", "-c", "user.email=developer@example.com"]
    for command in (["add", "--all"], [*identity, "commit", "--quiet", "-m", "Edit"], ["push", "--quiet"]):
        subprocess.run(["git", *command], cwd=work, check=True, capture_output=True)
    shutil.rmtree(work)
    return hosted.tip(branch)


def selector(forge: FakeForge, owner: str = "acme") -> str:
    return f"{'github' if isinstance(forge, FakeGitHub) else 'gitlab'}:{owner}"


def environment(forge: FakeForge | None, cache: Path, token: str = "secret-token") -> dict[str, str]:
    """The environment of a job that has a token for the forge and a cache of its own."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
    known = forge.environment(token) if isinstance(forge, FakeGitHub | FakeGitLab) else {}
    identity = {"GIT_AUTHOR_NAME": "Bot", "GIT_AUTHOR_EMAIL": "bot@example.com"}
    return outside | known | identity | {"TOWPATH_CACHE": str(cache), "NO_COLOR": "1"}


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


def towpath(
    forge: FakeForge | None, cache: Path, *arguments: str, exit_code: int = 0, token: str = "secret-token"
) -> Done:
    """Run the command as a job would, but in this process, so that Copier is imported once for all of them."""
    stdout, stderr = StringIO(), StringIO()
    code: int | str | None = 0
    with (
        patch.dict(os.environ, environment(forge, cache, token), clear=True),
        patch.object(sys, "argv", ["towpath", *arguments]),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
        finally:
            survey._forges.cache_clear()
    done = Done(stdout.getvalue(), stderr.getvalue())
    assert code == exit_code, f"{arguments} ended with {code}:\n{done.stdout}\n{done.stderr}"
    assert token not in done.stdout + done.stderr
    return done


def rows(done: Done) -> dict[str, dict[str, Any]]:
    """The repositories of a report, by name."""
    return {row["name"]: row for row in json.loads(done.stdout)["repositories"]}
