"""Settings of the messages and their worker."""

from typing import Annotated

from pydantic import Field

from .service import ServiceSettings


class MessagesSettings(ServiceSettings):
    """How messages are handled, and what becomes of those that fail."""

    worker_concurrency: Annotated[int, Field(ge=1)] = 4
    """How many messages a worker handles at once."""

    message_seconds: Annotated[float, Field(gt=0)] = 15
    """How long a message may take. One that is held for twice as long is taken over from its worker."""

    retry_seconds: Annotated[float, Field(gt=0)] = 1
    """How long a message that failed waits before the second attempt; each later wait is twice as long."""

    max_attempts: Annotated[int, Field(ge=1)] = 5
    """After how many failures a message becomes a dead letter."""

    dead_letters: Annotated[int, Field(ge=1)] = 10_000
    """How many dead letters are kept."""

    remember_seconds: Annotated[int, Field(ge=60)] = 7 * 24 * 3600
    """How long it is remembered that a message was published and handled, and so how old one may become."""
