"""A release goes through a fleet in waves: a few repositories first, more when those are well, then all.

One file records what was decided (the version, who is in which wave, when the next one starts) and what came of each
repository. It is replaced in one step after every outcome. Everything that is done is safe to repeat, so a run that is
killed at any point is continued by starting it again.
"""

import logging
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final, Literal, NamedTuple

from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError

from .errors import TowpathError
from .fleet import Fleet, Member, Problem, visit
from .forges import Checks, ForgeError, Forges, State
from .repository import Repository
from .template import Template

log = logging.getLogger(__name__)

SCHEMA: Final = 1
# A forge needs a moment to start pipelines; a repository that has none by then has none at all.
NO_CHECKS = timedelta(minutes=10)


Gate = Literal["merged", "green"]
Outcome = Literal["waiting", "requested", "merged", "current", "failed"]


class WavesError(TowpathError):
    """The file of a rollout cannot be used."""


class Standing(BaseModel):
    """What came of one repository so far.

    `waiting` (nothing was done yet), `requested` (its request is open), `merged`, `current` (there was nothing to do),
    `failed` (no request could be made, or people closed it).
    """

    url: str
    forge: str = ""
    branch: str = ""
    local: bool = False
    wave: int
    outcome: Outcome = "waiting"
    checks: Checks = Checks.NONE
    by_hand: bool = Field(
        default=False, description="Some files conflict, and the request says that a person has to merge them"
    )
    repository: str = ""
    number: int = 0
    request: str = Field(default="", description="Address of the request")
    since: datetime | None = Field(default=None, description="When the request was opened or refreshed")
    why: str = ""

    @property
    def failing(self) -> bool:
        """A person has to look at it."""
        return self.outcome == "failed" or (
            self.outcome == "requested" and (self.by_hand or self.checks is Checks.FAILED)
        )

    def passed(self, gate: Gate, now: datetime) -> bool:
        """Whether it lets the next wave start."""
        if self.outcome in {"merged", "current"}:
            return True
        if gate == "merged" or self.outcome != "requested":
            return False
        without = self.checks is Checks.NONE and self.since is not None and now - self.since > NO_CHECKS
        return self.checks is Checks.PASSED or without


class Rollout(BaseModel):
    """What a rollout's file holds."""

    schema_version: Literal[1] = Field(default=SCHEMA, alias="schema")
    template: str
    version: str
    waves: list[str] = Field(description="What each wave is called")
    gate: Gate = "merged"
    abort_over: float = Field(default=10, description="Percent of a wave that may fail")
    auto_merge: bool = False
    paused: str | None = Field(default=None, description="Why it does not go on by itself")
    repositories: dict[str, Standing]

    def wave(self, number: int) -> dict[str, Standing]:
        """The repositories of a wave."""
        return {name: standing for name, standing in self.repositories.items() if standing.wave == number}

    @property
    def finished(self) -> bool:
        """Nothing is left to wait for; what failed is for people."""
        return all(s.failing or s.outcome in {"merged", "current"} for s in self.repositories.values())

    def to_json(self) -> str:
        return self.model_dump_json(indent=2, by_alias=True)


def divide(
    members: Sequence[Member], canaries: Iterable[str], topic: str | None, steps: Sequence[float]
) -> list[tuple[str, list[Member]]]:
    """Put the members into waves.

    Args:
        members: The fleet.
        canaries: Names of those that go first.
        topic: Members that have this topic go first as well.
        steps: How much of the fleet has been reached after each further wave, in percent, ending in 100. Who is in
            which is a fixed but arbitrary choice, so that a wave is a fair sample.

    Raises:
        WavesError: A canary is not in the fleet.
    """
    named = set(canaries)
    if unknown := named - {member.name for member in members}:
        raise WavesError(f"{', '.join(sorted(unknown))}: no such repository in the fleet.")
    first = [member for member in members if member.name in named or (topic and topic in member.topics)]
    rest = sorted((m for m in members if m not in first), key=lambda m: (zlib.crc32(m.name.encode()), m.name))
    waves = [("canary", first)]
    reached = 0
    for step in steps:
        until = ceil(len(rest) * step / 100)
        waves.append(("all" if step >= 100 else f"{step:g} %", rest[reached:until]))
        reached = until
    return [(name, inside) for name, inside in waves if inside]


class Store:
    """The file of a rollout. It is only ever replaced as a whole, so that it is never half written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self, rollout: Rollout) -> None:
        """Write a new file. Raises WavesError if there is one already."""
        with FileLock(f"{self.path}.lock"):
            if self.path.exists() and not self.read().finished:
                raise WavesError(
                    f"{self.path} holds a rollout that has not finished. "
                    f"Go on with `towpath waves continue {self.path}`, or remove the file to forget it."
                )
            self._write(rollout)

    def read(self) -> Rollout:
        """Raises WavesError."""
        try:
            return Rollout.model_validate_json(self.path.read_bytes())
        except OSError as error:
            raise WavesError(f"{self.path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise WavesError(f"{self.path} is not the file of a rollout: {error.errors()[0]['msg']}") from error

    def change(self, change: Callable[[Rollout], None]) -> Rollout:
        """Apply a change to what the file holds now, which another process may have changed since it was read."""
        with FileLock(f"{self.path}.lock"):
            rollout = self.read()
            change(rollout)
            self._write(rollout)
        return rollout

    def note(self, name: str, **changes: object) -> Rollout:
        """Record what is known of one repository."""

        def apply(rollout: Rollout) -> None:
            rollout.repositories[name] = rollout.repositories[name].model_copy(update=changes)

        return self.change(apply)

    def resume(self, abort_over: float | None = None) -> Rollout:
        """Let it go on, and try again what failed.

        Args:
            abort_over: Another threshold from now on, or None to keep it.
        """

        def apply(rollout: Rollout) -> None:
            rollout.paused = None
            rollout.abort_over = rollout.abort_over if abort_over is None else abort_over
            for standing in rollout.repositories.values():
                if standing.outcome == "failed":
                    standing.outcome, standing.why = "waiting", ""

        return self.change(apply)

    def pause(self, why: str) -> Rollout:
        """Stop before the next step, in a running process too."""
        return self.change(lambda rollout: setattr(rollout, "paused", why))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs away. Raises WavesError if there is one."""
        lock = FileLock(f"{self.path}.run", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise WavesError(f"Another run is at work on {self.path}.") from error
        with lock:
            yield

    def _write(self, rollout: Rollout) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(rollout.to_json())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


@dataclass(frozen=True)
class Asked:
    """What came of asking a repository to update: the request, or None when it is current."""

    repository: str = ""
    number: int = 0
    url: str = ""
    state: State | None = None
    by_hand: bool = False


def ask(version: str, lock: bool, check: str | None, repository: Repository, template: Template) -> Asked:
    """Push the update of one repository and open or refresh its request."""
    from .plan import plan
    from .publish import LABELS, publish

    planned = plan(repository, template, version)
    result, request = publish(repository, planned, Forges(), lock=lock, check=check, labels=LABELS)
    if request is None:
        return Asked()
    return Asked(request.repository, request.number, request.url, request.state, result.state == "partial")


class _Seen(NamedTuple):
    outcome: Outcome
    checks: Checks
    why: str = ""


@dataclass
class Run:
    """One run over a rollout: it goes as far as it can and stops where it has to wait.

    Attributes:
        store: The rollout's file.
        forges: The forges.
        since: When the run began, in seconds since the epoch.
        cache: See `fleet.checkout`.
        jobs: See `Fleet`.
        logs: See `Fleet`.
        lock: See `update.update`.
        check: See `update.update`.
        tell: Called with each thing that happens, in one line.
    """

    store: Store
    forges: Forges
    since: float
    cache: Path | None = None
    jobs: int | None = None
    logs: Path | None = None
    lock: bool = True
    check: str | None = None
    tell: Callable[[str], None] = log.info

    def go(self) -> Rollout:
        """Do what can be done now, and say where the rollout stands after it.

        Raises:
            WavesError: The file cannot be used.
        """
        with self.store.alone():
            rollout = self.store.read()
            for number, name in enumerate(rollout.waves):
                rollout = self._wave(rollout, number)
                if rollout.paused:
                    self.tell(f"paused: {rollout.paused}")
                    return rollout
                held = self._holds(rollout, number)
                if held:
                    more = f" and {len(held) - 3} more" if len(held) > 3 else ""
                    self.tell(f"wave {name}: waiting until {', '.join(held[:3])}{more} {_gates[rollout.gate]}")
                    return rollout
                self.tell(f"wave {name}: done")
            return rollout

    def _wave(self, rollout: Rollout, number: int) -> Rollout:
        rollout = self._look(rollout, number)
        if (rollout := self._judge(rollout, number)).paused:
            return rollout
        waiting = {n: s for n, s in rollout.wave(number).items() if s.outcome == "waiting"}
        if waiting:
            rollout = self._ask(rollout, waiting)
            rollout = self._look(rollout, number)
        return self._judge(rollout, number)

    def _ask(self, rollout: Rollout, waiting: dict[str, Standing]) -> Rollout:
        members = [Member(n, s.url, s.forge, s.branch, s.local) for n, s in waiting.items()]
        work = partial(ask, rollout.version, self.lock, self.check)
        task = partial(visit, work, rollout.template, self.cache, ".copier-answers.yml", self.since)
        for member, outcome in Fleet(task, self.jobs, self.logs).run(members):
            if isinstance(outcome, Problem):
                rollout = self.store.note(member.name, outcome="failed", why=outcome.message)
                self.tell(f"{member.name}: failed: {outcome.message}")
            elif outcome.state is None:
                rollout = self.store.note(member.name, outcome="current")
                self.tell(f"{member.name}: current")
            else:
                rollout = self.store.note(
                    member.name,
                    outcome="requested",
                    by_hand=outcome.by_hand,
                    repository=outcome.repository,
                    number=outcome.number,
                    request=outcome.url,
                    since=datetime.now(UTC),
                )
                self.tell(f"{member.name}: {outcome.url}")
            if rollout.paused:
                break
        return rollout

    def _look(self, rollout: Rollout, number: int) -> Rollout:
        """Ask the forges what became of the requests of a wave."""
        asked = {n: s for n, s in rollout.wave(number).items() if s.outcome == "requested"}
        with ThreadPoolExecutor(8) as pool:
            look = partial(self._look_at, rollout.auto_merge)
            for (name, before), seen in zip(asked.items(), pool.map(look, asked.values()), strict=True):
                if seen != (before.outcome, before.checks, before.why):
                    rollout = self.store.note(name, **seen._asdict())
                    self.tell(f"{name}: {seen.why or seen.outcome}, checks: {seen.checks}")
        return rollout

    def _look_at(self, auto_merge: bool, standing: Standing) -> _Seen:
        checks = standing.checks
        try:
            forge = self.forges.named(standing.forge) if standing.forge else self.forges.of(standing.request)[0]
            request = forge.request(standing.repository, standing.number)
            if request.state is State.MERGED:
                return _Seen("merged", checks)
            if request.state is State.CLOSED:
                return _Seen("failed", checks, "people closed the request")
            checks = forge.checks(request)
            if auto_merge and checks is Checks.PASSED and not standing.by_hand:
                forge.merge(request)
                return _Seen("merged", checks)
        except ForgeError as error:
            return _Seen("requested", checks, str(error))
        return _Seen("requested", checks)

    def _judge(self, rollout: Rollout, number: int) -> Rollout:
        """Pause when too much of a wave fails."""
        wave = rollout.wave(number)
        failing = [name for name, standing in wave.items() if standing.failing]
        if rollout.paused or 100 * len(failing) <= rollout.abort_over * len(wave):
            return rollout
        shown = ", ".join(failing[:5]) + (" and others" if len(failing) > 5 else "")
        return self.store.pause(
            f"{len(failing)} of {len(wave)} in wave {rollout.waves[number]} need a person, which is more than "
            f"{rollout.abort_over:g} %: {shown}"
        )

    def _holds(self, rollout: Rollout, number: int) -> list[str]:
        """Who keeps the next wave from starting; what fails, within the threshold, does not."""
        now = datetime.now(UTC)
        return [n for n, s in rollout.wave(number).items() if not s.failing and not s.passed(rollout.gate, now)]


_gates = {"merged": "is merged", "green": "is green"}
