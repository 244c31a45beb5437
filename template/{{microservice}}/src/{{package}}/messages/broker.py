"""What the rest of the service expects of the place where messages wait."""

from dataclasses import dataclass
from typing import Protocol

from .message import Message


@dataclass(frozen=True)
class Delivery:
    """A message that was given to a worker and must be settled: done, tried again later, or buried."""

    entry: str
    """What the broker calls it."""
    body: str
    times: int = 1
    """How often it was given out; more than once if a worker died with it."""


@dataclass(frozen=True)
class Backlog:
    """How many messages there are in each state."""

    waiting: int
    in_hand: int
    delayed: int
    """Failed, and waiting for their next attempt."""
    dead: int
    oldest_seconds: float
    """How long the oldest that is waiting or in hand has been there."""


class Broker(Protocol):
    """Messages, from when they are published until they are settled.

    Every method raises Unavailable if the broker cannot be reached.
    """

    async def publish(self, message: Message, key: str) -> Message:
        """Publish a message, unless one with this key was published before; return the one that was published."""
        ...

    async def published(self, message_id: str) -> Message | None:
        """A message that was published lately, whatever became of it."""
        ...

    async def receive(self) -> Delivery | None:
        """The next message, or None if none has come for a moment.

        First of all one that another worker has held for too long.
        """
        ...

    async def done(self, delivery: Delivery) -> None:
        """Forget a message that was handled."""
        ...

    async def retry(self, delivery: Delivery, message: Message, seconds: float) -> None:
        """Put `message` in the place of the one that was delivered, to be delivered again after some time."""
        ...

    async def bury(self, delivery: Delivery, body: str, reason: str) -> None:
        """Make a dead letter, to be read by people and delivered again when they say so, of what was delivered."""
        ...

    async def redrive(self) -> int:
        """Let every dead letter be delivered again; return how many there were."""
        ...

    async def backlog(self) -> Backlog:
        """Count the messages."""
        ...

    async def check(self) -> None:
        """Return if the broker answers."""
        ...
