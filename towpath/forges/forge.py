"""What a forge can do for a fleet, whichever forge it is."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..errors import TowpathError


class ForgeError(TowpathError):
    """A forge refused, could not be reached, or could not be told from the address."""


class RequestExistsError(ForgeError):
    """Another run opened a request for the same branch in the meantime."""


class NotMergeableError(ForgeError):
    """The forge does not merge the request as it stands: it conflicts, moved, is a draft or lacks an approval."""


@dataclass(frozen=True)
class Token:
    """A secret and the environment variable it came from; only the variable's name is ever shown."""

    variable: str
    value: str = field(repr=False)


class State(StrEnum):
    """Where an update request stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class Checks(StrEnum):
    """What the pipelines say about the newest commit of a request."""

    NONE = "none"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class Remote:
    """A repository on a forge.

    Attributes:
        name: Its full name, such as `acme/shop/orders`.
        url: The HTTP address to clone.
        branch: The default branch.
        topics: The topics that its owners gave it.
    """

    name: str
    url: str
    branch: str
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """A pull request on GitHub, a merge request on GitLab.

    Attributes:
        repository: Full name of the repository.
        number: The number that people see in its address.
        url: The page for people.
        state: Open, merged or closed without a merge.
        title: One line.
        body: Markdown; empty when there is none.
        head: Hash of its newest commit.
        opened: When it was opened.
    """

    repository: str
    number: int
    url: str
    state: State
    title: str
    body: str
    head: str
    opened: datetime


class Forge(ABC):
    """One forge, reached with one token. Every method raises ForgeError with what to do about it.

    Attributes:
        token: What the environment gives, or None: then only what is public can be read.
    """

    token: Token | None

    @abstractmethod
    def repositories(self, owner: str) -> Iterator[Remote]:
        """Every living repository of an organisation, a user or a group with its subgroups; no archives, no forks."""

    @abstractmethod
    def repository(self, name: str) -> Remote:
        """One repository by its full name."""

    @abstractmethod
    def request(self, repository: str, number: int) -> Request:
        """One request by its number."""

    @abstractmethod
    def newest_request(self, repository: str, branch: str) -> Request | None:
        """The open request from a branch of the repository itself, else the newest that was merged or closed."""

    @abstractmethod
    def checks(self, request: Request) -> Checks:
        """What the pipelines say about `request.head`; NONE where there are no pipelines."""

    @abstractmethod
    def merge(self, request: Request) -> None:
        """Merge exactly `request.head`.

        Raises:
            NotMergeableError: Something else was pushed since, or the repository's rules do not allow it yet.
        """

    @abstractmethod
    def _open(self, remote: Remote, branch: str, title: str, body: str, labels: Sequence[str]) -> Request:
        """Open a request into the default branch; RequestExistsError if there is one."""

    @abstractmethod
    def _edit(self, request: Request, title: str, body: str) -> Request: ...

    def propose(self, repository: str, branch: str, title: str, body: str, labels: Sequence[str] = ()) -> Request:
        """Open the one request that a branch gets, or bring the open one up to date.

        Safe to repeat after being killed at any point, and when two runs race: the forge itself allows one open request
        for a pair of branches, and whoever comes second edits the first one's. A request that somebody closed is not
        opened again under the same title: people may decline a release, and are asked again at the next.
        """
        found = self.newest_request(repository, branch)
        if found and found.state is State.CLOSED and found.title == title:
            return found
        if found is None or found.state is not State.OPEN:
            try:
                return self._open(self.repository(repository), branch, title, body, labels)
            except RequestExistsError:
                found = self.newest_request(repository, branch)
                if found is None or found.state is not State.OPEN:
                    raise
        if (found.title, found.body) == (title, body):
            return found
        return self._edit(found, title, body)
