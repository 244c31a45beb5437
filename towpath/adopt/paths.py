"""Every path of an adopted project, in exactly one class."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from ..errors import TowpathError
from ..git import Entry

# Where a tool reads only the first of several names, a file of one of these names would be displaced by the template's.
SAME_ROLE = {"compose.yaml": ("compose.yml", "docker-compose.yaml", "docker-compose.yml")}


class State(StrEnum):
    """How a path of the template meets the project."""

    IDENTICAL = "identical"
    NEW = "new"
    DIFFERS = "differs"
    DISPLACES = "displaces"
    IN_THE_WAY = "in the way"


class Choice(StrEnum):
    """What adoption does with a path. The first four are for managed paths, the last three for seeded ones."""

    WRITE = "write"
    REPLACE = "ours replaces yours"
    KEEP = "keep yours"
    REMOVE = "do without"
    YOURS = "yours"
    SEED = "write once"
    LEAVE = "not written"


@dataclass(frozen=True)
class ProjectPath:
    """One path that the template renders.

    Attributes:
        path: Relative to the project.
        owner: `managed` or `seeded`.
        state: How it meets the project.
        choice: What adoption does with it.
        yours: The project's file that it meets, when that has another name.
    """

    path: str
    owner: str
    state: State
    choice: Choice
    yours: str | None = None

    @property
    def written(self) -> bool:
        """Whether adoption writes the template's file."""
        return self.choice in {Choice.WRITE, Choice.REPLACE, Choice.SEED}

    @property
    def ejected(self) -> bool:
        """Whether the project owns the file from now on, so that the answer `ejected` names it."""
        return self.choice is Choice.KEEP and self.yours is None

    @property
    def removed(self) -> bool:
        """Whether the project does without the template's file, so that the answer `removed` names it."""
        return self.choice is Choice.REMOVE or (self.choice is Choice.KEEP and self.yours is not None)


@dataclass
class Choices:
    """What a person decided, as patterns of paths such as `.towpath/*`; a path named in full goes before a pattern.

    Attributes:
        replace: Managed files that exist and that the template's replace.
        keep: Managed files that exist and stay the project's, which is what happens without a decision.
        remove: Managed files that the project does without; a file of this name is deleted.
        seed: Seeded files that do not exist and are written once.
    """

    replace: list[str] = field(default_factory=list)
    keep: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)
    seed: list[str] = field(default_factory=list)


def classify(
    rendered: Mapping[str, Entry], present: Mapping[str, Entry], owner: Callable[[str], str], choices: Choices
) -> list[ProjectPath]:
    """Give each rendered path its class.

    The rule: what is the same stays; what is new and managed is written; what exists and differs stays the project's
    unless it was chosen to be replaced; a seeded file is written only if it was chosen and does not exist.

    Raises:
        TowpathError: A choice names no path that it could be made for, or two choices name the same.
    """
    chosen = _Chosen(choices)
    found = []
    for path in sorted(rendered):
        owned = owner(path)
        state, yours = _state(path, rendered[path], present)
        choice = chosen.managed(path, state) if owned == "managed" else chosen.seeded(path, state)
        found.append(ProjectPath(path, owned, state, choice, yours))
    chosen.refuse_unused()
    return found


def _state(path: str, entry: Entry, present: Mapping[str, Entry]) -> tuple[State, str | None]:
    if path in present:
        return (State.IDENTICAL if present[path] == entry else State.DIFFERS), None
    if any(other.startswith(f"{path}/") for other in present):
        return State.IN_THE_WAY, f"{path}/"
    parts = path.split("/")
    parents = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    if blocking := next((parent for parent in parents if parent in present), None):
        return State.IN_THE_WAY, blocking
    if displaced := next((other for other in SAME_ROLE.get(path, ()) if other in present), None):
        return State.DISPLACES, displaced
    return State.NEW, None


class _Chosen:
    """Patterns, each of which must be good for something."""

    def __init__(self, choices: Choices) -> None:
        self._patterns = {
            "replace": choices.replace,
            "keep": choices.keep,
            "remove": choices.remove,
            "seed": choices.seed,
        }
        self._unused = {(option, pattern) for option, patterns in self._patterns.items() for pattern in patterns}

    def _matches(self, option: str, path: str) -> bool:
        matching = {(option, pattern) for pattern in self._patterns[option] if fnmatchcase(path, pattern)}
        self._unused -= matching
        return bool(matching)

    def managed(self, path: str, state: State) -> Choice:
        wanted = [option for option in _MANAGED if self._possible(option, state) and self._matches(option, path)]
        exact = [option for option in wanted if path in self._patterns[option]]
        if len(exact or wanted) > 1:
            raise TowpathError(f"{path} is named by more than one of --replace, --keep and --remove.")
        if wanted:
            return _MANAGED[(exact or wanted)[0]]
        return Choice.WRITE if state in {State.NEW, State.IDENTICAL} else Choice.KEEP

    def seeded(self, path: str, state: State) -> Choice:
        if state is not State.NEW:
            return Choice.YOURS
        return Choice.SEED if self._matches("seed", path) else Choice.LEAVE

    @staticmethod
    def _possible(option: str, state: State) -> bool:
        """Replacing and keeping need a file to replace or keep; nothing can be written where a folder is in the way."""
        return (
            option == "remove"
            or (state in {State.DIFFERS, State.DISPLACES})
            or (option == "keep" and state is State.IN_THE_WAY)
        )

    def refuse_unused(self) -> None:
        for option, pattern in sorted(self._unused):
            raise TowpathError(
                f"--{option} {pattern} names no path that this could be done with; --dry-run lists them."
            )


_MANAGED = {"replace": Choice.REPLACE, "keep": Choice.KEEP, "remove": Choice.REMOVE}


def answers_of(paths: Iterable[ProjectPath]) -> dict[str, list[str]]:
    """The answers `ejected` and `removed` that say what was chosen."""
    paths = list(paths)
    return {
        "ejected": [path.path for path in paths if path.ejected],
        "removed": [path.path for path in paths if path.removed],
    }
