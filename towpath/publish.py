"""Push an update and open, or refresh, its one request."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import BlockedError, GitError
from .forges import Forges, Request
from .git import git, try_git
from .plan import Plan
from .repository import Repository
from .update import BRANCH, Result, is_ours, update

LABELS = ("towpath",)


def publish(
    repository: Repository,
    plan: Plan,
    forges: Forges,
    *,
    branch: str = BRANCH,
    lock: bool = True,
    check: str | None = None,
    labels: Sequence[str] = (),
) -> tuple[Result, Request | None]:
    """Update a repository on a branch of its forge, and ask for it to be merged.

    Safe to repeat, and after being killed at any point: the branch is pushed only where it is as it was fetched, and
    the forge has one request for it. What merges is pushed even when other files conflict; those stay as the project
    has them, and the request says so.

    Args:
        repository: A clone whose remote `origin` is on a forge.
        plan: Its plan.
        forges: The forges.
        branch: The branch.
        lock: See `update`.
        check: See `update`.
        labels: Labels for a new request.

    Returns:
        What became of it, and the request or None when there was nothing to do.

    Raises:
        BlockedError: See `update`; also when the branch was pushed to meanwhile, or another than the default branch is
            checked out.
        ForgeError: The forge refused.
    """
    if plan.state == "current":
        return Result(plan.name, "current"), None
    url = try_git(repository.root, "remote", "get-url", "origin")
    if not url:
        raise BlockedError(f"{plan.name} has no remote named origin to push to.")
    forge, name = forges.of(url)
    remote = forge.repository(name)  # under the name that it has now, should it have been renamed
    if repository.branch not in {None, remote.branch}:
        raise BlockedError(f"{plan.name} has {repository.branch} checked out; a request is made from {remote.branch}.")
    environment = forges.git_environment()
    reference = f"refs/heads/{branch}"
    listed = git(repository.root, "ls-remote", "origin", reference, environment=environment).decode()
    found = re.match(r"[0-9a-f]+", listed)
    tip = found[0] if found else None
    merged = False
    if tip:
        # In a shallow clone, the branch's own history would otherwise come along.
        shallow = try_git(repository.root, "rev-parse", "--is-shallow-repository") == "true"
        depth = ["--depth=1"] if shallow else []
        fetch = ["fetch", "--quiet", "--no-write-fetch-head", *depth, "origin", reference]
        git(repository.root, *fetch, environment=environment)
        if shallow and not is_ours(repository, tip):
            merged = _is_merged(repository, url, remote.branch, tip, environment)
    known = None if merged else tip
    result = update(repository, plan, branch=branch, lock=lock, check=check, partial=True, remote_tip=known)
    if result.commit != tip:
        lease = f"--force-with-lease={reference}:{tip or ''}"
        try:
            push = ["push", "--quiet", lease, "origin", f"{result.commit}:{reference}"]
            git(repository.root, *push, environment=environment)
        except GitError as error:
            raise BlockedError(f"{branch} of {plan.name} could not be pushed: {error.stderr}") from error
    return result, forge.propose(remote.name, branch, result.title, result.text, labels)


def _is_merged(repository: Repository, url: str, branch: str, tip: str, environment: Mapping[str, str]) -> bool:
    """Whether HEAD holds a commit, by the remote's history, which a shallow clone does not have."""
    with tempfile.TemporaryDirectory(prefix="towpath-") as folder:
        history = Path(folder, "history.git")
        clone = ["clone", "--quiet", "--bare", "--no-tags", "--filter=tree:0", "--single-branch", "--branch", branch]
        git(repository.root, *clone, "--", url, str(history), environment=environment)
        return try_git(history, "merge-base", "--is-ancestor", tip, repository.head) is not None
