"""Apply a plan: one commit on a branch, or nothing."""

import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from .errors import BlockedError, GitError
from .git import AS_COMMITTED, FROM_HERE, File, git, try_git
from .plan import Plan
from .repository import Repository

log = logging.getLogger(__name__)

BRANCH = "towpath/update"
# In the message of every commit from here, so that other people's commits on the branch are told apart.
_TRAILER = "Towpath-Update"
# Seconds that an update waits for another one, which may be locking and checking.
_PATIENCE = 600


@dataclass(frozen=True)
class Result:
    """What became of an update.

    Attributes:
        name: The repository.
        state: `current` (there was nothing to do), `updated`, `unchanged` (the branch already held this update) or
            `partial` (asked for: conflicting files stayed as they were).
        branch: The branch that holds the update, or None.
        commit: Its commit, or None.
        title: A title for the request.
        text: A text for the request, in Markdown: the notes, what changed, what a person has to do.
    """

    name: str
    state: Literal["current", "updated", "unchanged", "partial"]
    branch: str | None = None
    commit: str | None = None
    title: str = ""
    text: str = ""


def update(
    repository: Repository,
    plan: Plan,
    *,
    branch: str = BRANCH,
    lock: bool = True,
    check: str | None = None,
    partial: bool = False,
    remote_tip: str | None = None,
) -> Result:
    """Commit what a plan says on a branch that begins at the plan's commit. The work tree is not touched.

    Everything is prepared out of sight and becomes visible by moving one reference, so that an update that is
    interrupted or killed at any point has not happened.

    Args:
        repository: The project.
        plan: Its plan.
        branch: The branch; made, or moved when everything on it came from here.
        lock: Run `uv lock` when the update changes `pyproject.toml` and the project commits `uv.lock`.
        check: A command of the project that has to succeed on the result first.
        partial: Commit what merges even when other files are in conflict; those stay as the project has them.
        remote_tip: Where the branch is on the remote that it will be pushed to, fetched already.

    Raises:
        BlockedError: The plan is blocked, the branch holds other people's commits or is checked out, the repository
            moved on since the plan, or the check failed. Nothing has changed.
    """
    if plan.state == "current":
        return Result(plan.name, "current")
    with _alone(repository):
        if plan.state == "blocked" and not (partial and plan.writes and not plan.flipped and not plan.questions):
            raise BlockedError(f"{plan.name} was not updated: {'; '.join(plan.reasons)}")
        if try_git(repository.root, "rev-parse", "HEAD") != plan.head:
            raise BlockedError(f"{plan.name} has a new commit since the plan was made; run it again.")
        tip = branch_tip(repository, branch)
        for known in filter(None, {tip, remote_tip}):
            require_ours(repository, known, branch)

        tree = write_tree(repository, plan.writes)
        span = f"{plan.old}..{plan.new}"
        commit = commit_tree(repository, tree, _title(plan), span)
        relock = lock and "pyproject.toml" in plan.writes and "uv.lock" in repository.files
        if relock or check:
            with _clone(repository, commit) as folder:
                if relock:
                    _run(plan.name, "uv lock", ["uv", "lock"], folder)
                    locked = File("100644", (folder / "uv.lock").read_bytes())
                    tree = write_tree(repository, {**plan.writes, "uv.lock": locked})
                    commit = commit_tree(repository, tree, _title(plan), span)
                if check:
                    _run(plan.name, check, ["sh", "-c", check], folder)
        state: Literal["updated", "unchanged", "partial"] = "partial" if plan.conflicts else "updated"
        published = remote_tip or tip
        if published and _shape(repository, published) == _shape(repository, commit):
            commit, state = published, "unchanged"
        move_branch(repository, branch, commit, tip, f"{plan.old} to {plan.new}")
        return Result(plan.name, state, branch, commit, _title(plan), describe(plan))


@contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    """Let one update of a repository follow the other. Raises BlockedError when one takes too long."""
    try:
        with FileLock(lock_file(repository)).acquire(timeout=_PATIENCE):
            yield
    except Timeout as error:
        raise BlockedError(
            f"{repository.name} was not updated: another update of it is under way since {_PATIENCE} s; wait for it."
        ) from error


def lock_file(repository: Repository) -> Path:
    """What an update holds, outside the repository, in which it must leave nothing."""
    common = git(repository.root, "rev-parse", "--git-common-dir").rstrip(b"\n")
    place = os.path.realpath(os.path.join(os.fsencode(repository.root), common))  # noqa: PTH118
    return Path(tempfile.gettempdir(), f"towpath-{os.getuid()}-{sha256(place).hexdigest()[:24]}.lock")


def _title(plan: Plan) -> str:
    return f"Update to {plan.new} of the template"


def describe(plan: Plan) -> str:
    """A plan in Markdown, for the person who reviews the update: what to do first, then what changed and why."""
    parts = [f"The template's {plan.old} becomes {plan.new}."]
    if plan.conflicts:
        parts.append(
            "## To merge by hand\n\nThese files are as the project has them, because a merge was not safe. "
            "What the template changes in each is below."
        )
        parts += [
            f"- `{conflict.path}`: {conflict.cause}\n\n{_indented(_fenced(conflict.diff))}"
            for conflict in plan.conflicts
        ]
    by_hand = [change for change in plan.changes if change.state == "instruction"]
    if by_hand:
        parts.append("## To do by hand\n\n" + "\n".join(f"- `{c.file}`: {c.instruction}. {c.why}" for c in by_hand))
    applied = [change for change in plan.changes if change.state == "applied"]
    if applied:
        parts.append(
            "## Changed in your own files\n\n" + "\n".join(f"- `{c.file}`: {c.instruction}. {c.why}" for c in applied)
        )
    parts.append(
        "## Files\n\n" + "\n".join(f"- {what} `{path}`{_how(plan, path)}" for path, what in plan.files.items())
    )
    if plan.hunks:
        parts.append("## Decided for you\n\nBoth sides changed these lines. Look at what the update makes of them.")
        parts += [_fenced(hunk) for _, hunk in sorted(plan.hunks.items())]
    if plan.forgotten:
        names = ", ".join(f"`{question.name}`" for question in plan.forgotten)
        parts.append(f"## Answers that are no longer asked for\n\n{names}")
    if plan.notes:
        parts.append(f"## Notes\n\n{plan.notes.replace(chr(10) + '## ', chr(10) + '### ').replace('## ', '### ', 1)}")
    return "\n\n".join(parts) + "\n"


def _how(plan: Plan, path: str) -> str:
    how = {
        "text": "merged with your edits",
        "pins": "merged with your edits; of two pins, the newer",
        "structure": "merged with your edits by structure",
        "rename": "renamed, with your edits",
    }
    return f" ({how[plan.merged[path]]})" if path in plan.merged else ""


def _fenced(diff: str) -> str:
    fence = "````" if "```" in diff else "```"
    return f"{fence}diff\n{diff}{fence}" if diff else "(nothing but its place)"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in text.split("\n"))


def branch_tip(repository: Repository, branch: str) -> str | None:
    """Where a branch is now, or None. Raises BlockedError when it is checked out."""
    tip = try_git(repository.root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    if tip:
        used = git(repository.root, "worktree", "list", "--porcelain").decode(errors="replace").split("\n")
        if f"branch refs/heads/{branch}" in used:
            raise BlockedError(f"{repository.name} has {branch} checked out; switch to another branch first.")
    return tip or None


def move_branch(repository: Repository, branch: str, commit: str, tip: str | None, reason: str) -> None:
    """Move a branch from where it was, or make it, in one step.

    Raises:
        BlockedError: A branch is in the way, as `towpath` would be of `towpath/update`.
    """
    if commit != tip:
        move = [f"refs/heads/{branch}", commit, tip or "0" * len(commit)]
        try:
            git(repository.root, "update-ref", "-m", f"towpath: {reason}", *move)
        except GitError as error:
            if not (other := re.search(r"'refs/heads/(\S+)' exists", error.stderr)):
                raise
            raise BlockedError(
                f"{repository.name} has a branch {other[1]}, beside which there can be no {branch}; rename it, or name "
                "another with --branch."
            ) from error


def require_ours(repository: Repository, commit: str, branch: str) -> None:
    """Raise BlockedError when a branch ends in a commit that somebody else may still need."""
    if not is_ours(repository, commit):
        raise BlockedError(
            f"{branch} of {repository.name} ends in a commit that did not come from here ({commit[:9]}); "
            "merge the branch, or rename or delete it."
        )


def is_ours(repository: Repository, commit: str) -> bool:
    """Whether a commit was made here and not changed since, or is merged and so nobody's pending work."""
    told = git(repository.root, "show", "--no-patch", f"--format=%T %(trailers:key={_TRAILER},valueonly)", commit)
    tree, *value = told.decode(errors="replace").split()
    if value and value[-1] == tree:
        return True
    return try_git(repository.root, "merge-base", "--is-ancestor", commit, repository.head) is not None


def write_tree(repository: Repository, writes: Mapping[str, File | None]) -> str:
    """The tree of HEAD with these files, written without the repository's own index."""
    contents = {file.content for file in writes.values() if file}
    blobs = b"".join(b"blob\ndata %d\n%s\n" % (len(content), content) for content in contents)
    git(repository.root, "fast-import", "--quiet", "--done", stdin=blobs + b"done\n")
    nothing = "0" * len(repository.head)
    lines = []
    for path, file in writes.items():
        mode, oid = file.entry(repository.algorithm) if file else ("0", nothing)
        lines.append(f"{mode} {oid}\t{repository.prefix}{path}\0".encode(errors="surrogateescape"))
    with tempfile.TemporaryDirectory(prefix="towpath-") as folder:
        index = {"GIT_INDEX_FILE": f"{folder}/index"}
        git(repository.root, "read-tree", repository.head, environment=index)
        git(repository.root, "update-index", "-z", "--index-info", stdin=b"".join(lines), environment=index)
        return git(repository.root, "write-tree", "--missing-ok", environment=index).decode().strip()


def commit_tree(repository: Repository, tree: str, title: str, span: str) -> str:
    """A commit of a tree on HEAD, signed with the tree's id, which shows later whether it is still as it was made."""
    message = f"{title}\n\n{_TRAILER}: {span} {tree}\n"
    environment: dict[str, str] = {}
    if not try_git(repository.root, "config", "user.email"):
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": "Towpath", f"GIT_{role}_EMAIL": "towpath@localhost"}
    arguments = ["commit-tree", tree, "-p", repository.head, "-F", "-"]
    try:
        return git(repository.root, *arguments, stdin=message.encode(), environment=environment).decode().strip()
    except GitError as error:
        if environment or try_git(repository.root, "config", "user.name"):
            raise
        raise BlockedError(
            f"{repository.name}: git has a user.email but no user.name to commit with; set it with "
            "`git config --global user.name NAME`."
        ) from error


def _shape(repository: Repository, commit: str) -> str:
    """What makes a commit this update: everything but who made it when."""
    return git(repository.root, "show", "--no-patch", "--format=%T %P %B", commit).decode(errors="replace")


@contextmanager
def _clone(repository: Repository, commit: str) -> Iterator[Path]:
    """A clone with a commit checked out; it shares the repository's objects and leaves no trace in it."""
    with tempfile.TemporaryDirectory(prefix="towpath-") as folder:
        clone = Path(folder, repository.name)
        git(repository.root, *FROM_HERE, "clone", "--quiet", "--shared", "--no-checkout", ".", str(clone))
        git(clone, *AS_COMMITTED, "checkout", "--quiet", "--detach", commit)
        yield clone / repository.prefix


def _run(name: str, label: str, command: list[str], folder: Path) -> None:
    """Run a command of the project. Raises BlockedError with the end of its output when it fails."""
    environment = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV" and key[:4] != "GIT_"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except FileNotFoundError as error:
        raise BlockedError(f"{name} was not updated: `{command[0]}` is not installed.") from error
    log.info("%s: %s ended with %d\n%s", name, label, done.returncode, done.stdout)
    if done.returncode:
        raise BlockedError(f"{name} was not updated: `{label}` failed.\n{done.stdout.strip()[-2000:]}")


def fast_forward(repository: Repository, result: Result | None) -> None:
    """Move the branch that is checked out, with its work tree, to an update; without one, only see whether that can be.

    Raises:
        BlockedError: There is no work tree or no branch, or uncommitted changes are in the way.
    """
    if repository.bare or repository.branch is None:
        raise BlockedError(f"{repository.name} has no branch checked out to update.")
    if git(repository.root, "status", "--porcelain", "--untracked-files=no"):
        raise BlockedError(
            f"{repository.name} has uncommitted changes; commit or stash them, or update without --here."
        )
    if result and result.commit:
        try:
            # Git would take what it ignores for expendable.
            git(repository.root, "merge", "--quiet", "--ff-only", "--no-overwrite-ignore", result.commit)
        except GitError as error:
            raise BlockedError(
                f"{repository.name} is updated on {result.branch}, but its work tree is in the way: {error.stderr}\n"
                f"Then take the update with `git merge {result.branch}`."
            ) from error
        git(repository.root, "branch", "--quiet", "-D", str(result.branch))
