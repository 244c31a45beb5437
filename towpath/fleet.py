"""A fleet: which repositories, their clones in the cache, and one worker process per core that goes through them."""

import logging
import multiprocessing
import os
import shutil
import signal
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import sha256
from multiprocessing.connection import wait as wait_for
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar
from urllib.parse import parse_qs

from filelock import FileLock

from .errors import Exit, GitError, NotARepositoryError, Standing, TemplateError, TowpathError
from .forges import ForgeError, Forges, without_password
from .git import git
from .log import logged
from .repository import Repository
from .template import Template, cache_folder

log = logging.getLogger(__name__)

T = TypeVar("T")


class SelectorError(TowpathError):
    """What was named is no repository, list of repositories or owner of repositories."""


@dataclass(frozen=True)
class Member:
    """A repository of a fleet.

    Attributes:
        name: What reports call it: the full name on its forge, else the address; a folder's own name.
        url: The address to clone, or the path of a local repository.
        forge: `github`, `gitlab`, or "" when it is on neither.
        branch: The default branch, or "" to ask the repository itself.
        local: It is a repository on this machine that is used as it is.
        topics: The topics that it has on its forge.
    """

    name: str
    url: str
    forge: str = ""
    branch: str = ""
    local: bool = False
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Problem:
    """Why nothing came of a member.

    Attributes:
        message: What went wrong, and what to do about it.
        exit: The exit code that it calls for.
        standing: What that makes of the member.
    """

    message: str
    exit: Exit = Exit.PROBLEM
    standing: Standing = Standing.BROKEN


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a fleet. A repository is always in the same one, whatever else is in the fleet, so
    that jobs that list the fleet at different moments still share it without a gap."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/8`; raise ValueError if it is not one of the parts."""
        number, _, of = text.partition("/")
        shard = cls(int(number), int(of))
        if not 1 <= shard.number <= shard.of:
            raise ValueError(text)
        return shard

    def __contains__(self, member: Member) -> bool:
        return zlib.crc32(member.name.encode()) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def select(selectors: Iterable[str], forges: Forges) -> list[Member]:
    """The repositories that selectors name, each once, in their order.

    Args:
        selectors: Each one is a folder; a file with a selector per line; `github:OWNER` or `gitlab:GROUP`, either with
            `?topic=NAME`; or the address of a repository.
        forges: Where owners and addresses are looked up.

    Raises:
        SelectorError: One names nothing.
        ForgeError: A forge refuses to list them.
    """
    found: dict[str, Member] = {}
    names: set[str] = set()
    for selector in selectors:
        for member in _select(selector, forges):
            if member.url not in found:
                # Two forges may have repositories of one name, and two folders too.
                name = member.name if member.name not in names else without_password(member.url)
                names.add(name)
                found[member.url] = replace(member, name=name)
    return list(found.values())


def _select(selector: str, forges: Forges) -> Iterator[Member]:
    kind, _, rest = selector.partition(":")
    path = Path(selector)
    if kind in {"github", "gitlab"} and rest:
        owner, _, query = rest.partition("?")
        topics = set(parse_qs(query).get("topic", []))
        for remote in forges.named(kind).repositories(owner.strip("/")):
            if topics <= remote.topics:
                yield Member(remote.name, remote.url, kind, remote.branch, topics=remote.topics)
    elif path.is_dir():
        yield Member(path.resolve().name, str(path.resolve()), local=True)
    elif path.is_file():
        for line in path.read_text().splitlines():
            if named := line.partition("#")[0].strip():
                relative = path.parent / named
                yield from _select(str(relative) if relative.exists() else named, forges)
    elif "://" in selector or (":" in selector and "/" in rest):
        try:
            place = forges.place(selector)
            yield Member(place.name, selector, place.kind)
        except ForgeError:
            yield Member(without_password(selector), selector)
    else:
        raise SelectorError(
            f"{selector} is no folder, no file, no github:OWNER or gitlab:GROUP, and no address of a repository."
        )


def checkout(member: Member, cache: Path | None = None) -> Path:
    """The member's repository: its own folder, or a bare clone in the cache that is brought up to date.

    The clone has the default branch and the branches of this tool, all commits and, where the remote can do that, only
    those contents that are asked for. It is a cache: one that is damaged, such as by a power cut, is made anew.

    Raises:
        GitError: The remote refuses or cannot be reached.
        NotARepositoryError: It is empty.
    """
    if member.local:
        return Path(member.url)
    # By address, as two forges may have repositories of one name; the folder's own name may be seen by templates.
    address = sha256(member.url.encode()).hexdigest()[:24]
    folder = cache_folder(cache, "clones", address) / f"{PurePosixPath(member.name).name}.git"
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            try:
                _fetch(member, folder)
                return folder
            except GitError as error:
                # Fails as well when it is the remote that cannot be had.
                git(folder.parent, "ls-remote", "--quiet", member.url, "HEAD")
                log.warning("cloning again: %s", error)
                shutil.rmtree(folder)
        folder.mkdir()
        git(folder, "init", "--quiet", "--bare")
        git(folder, "config", "remote.origin.url", member.url)
        _fetch(member, folder)
    return folder


def _fetch(member: Member, folder: Path) -> None:
    from .update import BRANCH

    branch = member.branch or default_branch(folder)
    ours = BRANCH.partition("/")[0]
    refspecs = [f"+refs/heads/{name}:refs/heads/{name}" for name in (branch, f"{ours}/*")]
    try:
        git(folder, "fetch", "--quiet", "--prune", "--no-tags", "--filter=blob:none", "origin", *refspecs)
    except GitError as error:
        if "couldn't find remote ref" in error.stderr:
            raise NotARepositoryError(f"{member.name} has no commit on {branch} yet.") from error
        raise
    git(folder, "symbolic-ref", "HEAD", f"refs/heads/{branch}")


def default_branch(folder: Path) -> str:
    """What the HEAD of `origin` names, or `main` where it is empty."""
    for line in git(folder, "ls-remote", "--symref", "origin", "HEAD").decode().splitlines():
        if line.startswith("ref: refs/heads/"):
            return line.removeprefix("ref: refs/heads/").partition("\t")[0]
    return "main"


def open_template(source: str, cache: Path | None, since: float) -> Template:
    """A template that is fetched at most once in a run, by whichever worker comes first.

    Args:
        source: Where it is.
        cache: As for `Template.open`.
        since: When the run began, in seconds since the epoch.
    """
    template = Template.open(source, cache, refresh=False)
    mark = template.mirror.parent / "fetched"
    with FileLock(mark.with_suffix(".lock")):
        if not mark.exists() or mark.stat().st_mtime < since:
            template = Template.open(source, cache)
            mark.touch()
    return template


class Fleet(Generic[T]):
    """Worker processes that do one task for each member.

    Args:
        task: Called in a worker with a member; what it raises as TowpathError becomes a Problem.
        jobs: Number of workers; by default one per core.
        logs: A folder that gets one log per member, or None.
    """

    def __init__(self, task: Callable[[Member], T], jobs: int | None = None, logs: Path | None = None) -> None:
        self.task = partial(attempt, task, logs)
        self.jobs = jobs or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1

    def run(self, members: Iterable[Member]) -> Iterator[tuple[Member, T | Problem]]:
        """What came of each member, as soon as it is known. No more of them are held than are being worked on."""
        waiting = deque(members)
        while waiting:
            running: dict[Future[T | Problem], Member] = {}
            try:
                with self._pool(min(self.jobs, len(waiting))) as pool:
                    try:
                        while waiting or running:
                            while waiting and len(running) < 2 * self.jobs:
                                running[self._submit(pool, waiting[0])] = waiting[0]
                                waiting.popleft()
                            for future in wait(running, return_when=FIRST_COMPLETED).done:
                                # Taken off the list only when it has an outcome, so that none is forgotten below.
                                outcome = future.result()
                                yield running.pop(future), outcome
                    except BaseException:
                        pool.shutdown(cancel_futures=True)
                        raise
            except BrokenProcessPool:
                # One of these made its worker die; alone, it takes nobody else's work with it.
                for member in running.values():
                    yield member, self._alone(member)

    def _alone(self, member: Member) -> T | Problem:
        try:
            with self._pool(1) as pool:
                return self._submit(pool, member).result()
        except BrokenProcessPool:
            return Problem("the worker process died, perhaps for want of memory")

    def _submit(self, pool: ProcessPoolExecutor, member: Member) -> Future[T | Problem]:
        """Start work. Meanwhile Ctrl-C waits: this process answers it, and a new worker cannot ignore it yet."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return pool.submit(self.task, member)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _pool(self, size: int) -> ProcessPoolExecutor:
        # Workers are forked from a process that has imported what they need and has no threads.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["towpath.render", "towpath.update"])
        return ProcessPoolExecutor(size, context, _begin, (dict(os.environ),))


def _begin(environment: dict[str, str]) -> None:
    """Prepare a worker: Ctrl-C is its parent's to answer, and it does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Commands of projects, which it runs, may need the signal.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.clear()
    os.environ.update(environment)
    if parent := multiprocessing.parent_process():
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def attempt(task: Callable[[Member], T], logs: Path | None, member: Member) -> T | Problem:
    """Do a task for a member, with a log of its own; what goes wrong becomes a Problem."""
    with logged(logs, member.name):
        began = time.monotonic()
        try:
            return task(member)
        except TowpathError as error:
            log.warning("%s", error)
            return Problem(str(error), error.exit, error.standing)
        except Exception as error:
            log.exception("unexpected")
            return Problem(f"unexpected {type(error).__name__}: {error}")
        finally:
            log.info("%.2f s", time.monotonic() - began)


def visit(
    work: Callable[[Repository, Template], T],
    source: str | None,
    cache: Path | None,
    answers_file: str,
    since: float,
    member: Member,
) -> T:
    """Do something with a member's repository and its template.

    Args:
        work: What to do.
        source: Where the template is, or None for what the repository says.
        cache: See `checkout`.
        answers_file: See `Repository.open`.
        since: When the run began, in seconds since the epoch.
        member: The member.
    """
    repository = Repository.open(checkout(member, cache), answers_file=answers_file)
    template = _template(source or repository.source, cache, since)
    if isinstance(template, TemplateError):
        raise template
    return work(repository, template)


@lru_cache(maxsize=8)
def _template(source: str, cache: Path | None, since: float) -> Template | TemplateError:
    """A template, or why there is none, so that a server that is down is not waited for by each repository."""
    try:
        return open_template(source, cache, since)
    except TemplateError as error:
        return error
