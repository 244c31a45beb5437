"""A message as it travels."""

import time
import uuid
from typing import Self

import structlog
from opentelemetry import propagate
from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Message(BaseModel):
    """What a message says, where it comes from and how often it was tried."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    payload: JsonValue
    attempt: int = 1
    published_at: float = Field(default_factory=time.time)
    request_id: str | None = None
    trace: dict[str, str] = {}
    """The trace that it belongs to, as W3C headers."""

    @classmethod
    def about(cls, kind: str, payload: BaseModel) -> Self:
        """A new message, sent by the request that is being answered."""
        trace: dict[str, str] = {}
        propagate.inject(trace)
        return cls(
            id=str(uuid.uuid4()),
            kind=kind,
            payload=payload.model_dump(mode="json"),
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            trace=trace,
        )


class Unprocessable(Exception):
    """Raised while a message is handled: it is wrong in itself, and another attempt could not help."""


class AlreadyHandled(Exception):
    """Raised while a message is handled: its effect is there already, and nothing is left to do."""
