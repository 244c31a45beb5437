"""Bring an update to its forge: push the branch, and open or refresh the one request for it."""

from collections.abc import Sequence
from pathlib import Path

from .errors import GitError, TowpathError
from .forges import Forges, Request
from .git import git, try_git
from .update import BRANCH, Result

LABELS = ("towpath",)


class PushError(TowpathError):
    """The remote does not take the branch."""


def fetch_branch(path: Path, branch: str = BRANCH) -> None:
    """Make the local branch what the remote has, so that an update sees what other people put on it.

    Raises:
        GitError: The remote cannot be reached, or the branch is checked out.
    """
    if remote_tip(path, branch):
        git(path, "fetch", "--quiet", "--no-tags", "origin", f"+refs/heads/{branch}:refs/heads/{branch}")
    elif try_git(path, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}"):
        git(path, "update-ref", "-d", f"refs/heads/{branch}")


def push(path: Path, result: Result) -> None:
    """Push the branch of an update, unless the remote already holds the same content.

    Nothing that somebody else pushed in the meantime is overwritten.

    Raises:
        PushError: The remote refuses, or somebody else was faster with something else.
    """
    branch, commit = result.branch, result.commit
    assert branch
    assert commit
    before = remote_tip(path, branch)
    if before and _same_tree(path, branch, before, commit):
        return
    lease = f"--force-with-lease=refs/heads/{branch}:{before}"
    try:
        git(path, "push", "--quiet", lease, "origin", f"{commit}:refs/heads/{branch}")
    except GitError as error:
        now = remote_tip(path, branch)
        if now and now != before and _same_tree(path, branch, now, commit):
            return
        raise PushError(_explain(path, branch, error)) from error


def propose(path: Path, result: Result, forges: Forges, labels: Sequence[str] = LABELS) -> Request:
    """Open or refresh the request for a branch that was pushed.

    Raises:
        ForgeError: The forge refuses, or is none that is known.
    """
    assert result.branch
    forge, name = forges.of(git(path, "remote", "get-url", "origin").decode().strip())
    return forge.propose(name, result.branch, result.title, result.text, labels)


def remote_tip(path: Path, branch: str) -> str:
    """The commit that a branch has on `origin`, or ""."""
    return git(path, "ls-remote", "origin", f"refs/heads/{branch}").decode().partition("\t")[0]


def _same_tree(path: Path, branch: str, theirs: str, ours: str) -> bool:
    """Whether two commits on the same parents hold the same; only the times at which they were made may differ."""
    if theirs == ours:
        return True
    git(path, "fetch", "--quiet", "--no-tags", "origin", f"refs/heads/{branch}")
    seen = [git(path, "show", "--no-patch", "--format=%T %P", commit) for commit in (theirs, ours)]
    return seen[0] == seen[1]


def _explain(path: Path, branch: str, error: GitError) -> str:
    url = try_git(path, "remote", "get-url", "origin")
    said = error.stderr
    if "stale info" in said:
        return f"Somebody else pushed to {branch} of {url} just now. Run again to look at what they did."
    if "403" in said or "denied" in said.lower():
        return f"{url} does not take a push to {branch}: the token needs to write contents. {said}"
    if "workflow" in said:
        return f"{url} does not take workflow files from this token: it needs the permission workflows. {said}"
    return f"{url} does not take a push to {branch}: {said}"
