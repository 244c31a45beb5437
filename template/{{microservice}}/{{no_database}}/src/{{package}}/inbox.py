"""The inbox: which messages were handled, remembered in Redis together with what they led to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import WatchError

from .messages.message import AlreadyHandled
from .settings import Settings

HANDLED = "messages:handled:"


@asynccontextmanager
async def once(redis: Redis, message_id: str, settings: Settings) -> AsyncIterator[Pipeline]:
    """Commands that are carried out together with remembering the message, or not at all.

    What a message leads to outside of Redis cannot be part of that: it must bear being done twice.

    Raises:
        AlreadyHandled: It was handled before, or by someone else at the same moment.
    """
    async with redis.pipeline() as pipe:
        await pipe.watch(HANDLED + message_id)
        if await pipe.exists(HANDLED + message_id):
            raise AlreadyHandled
        pipe.multi()  # type: ignore[no-untyped-call]
        yield pipe
        pipe.set(HANDLED + message_id, "", ex=settings.remember_seconds)
        try:
            await pipe.execute()
        except WatchError as error:
            raise AlreadyHandled from error
