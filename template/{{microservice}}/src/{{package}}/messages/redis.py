"""Messages in Redis Streams, shared by every API and worker that REDIS_URL leads to the same place.

A message is an entry of the stream until it is settled. It is then deleted, so that the stream is never longer than the
backlog and needs no trimming that could lose a message; this is right for one group of consumers, and only for one.
What settles a message is one script, which does all of it or nothing, and nothing if it was settled already.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ..problems import Unavailable
from ..settings import Settings
from .broker import Backlog, Delivery
from .message import Message

log = structlog.stdlib.get_logger("broker")

STREAM = "messages"
GROUP = "workers"
DELAYED = "messages:delayed"
DEAD = "messages:dead"
BY_KEY = "messages:key:"
BY_ID = "messages:id:"

# Less than the time after which a silent server is lost.
WAIT_SECONDS = 1
UPKEEP_SECONDS = 1
# A consumer that has neither asked nor held a message for so long is one whose worker is gone.
CONSUMER_SECONDS = 600

PUBLISH = """
local published = redis.call('GET', KEYS[2])
if published then return published end
redis.call('XADD', KEYS[1], '*', 'message', ARGV[1])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
redis.call('SET', KEYS[3], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""

DONE = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
return redis.call('XDEL', KEYS[1], ARGV[2])
"""

RETRY = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[2], now[1] + now[2] / 1000000 + ARGV[4], ARGV[3])
"""

BURY = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
return redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'message', ARGV[3], 'reason', ARGV[4])
"""

WAKE = """
local now = redis.call('TIME')
local due = redis.call('ZRANGE', KEYS[1], '-inf', now[1] + now[2] / 1000000, 'BYSCORE', 'LIMIT', 0, 100)
for _, message in ipairs(due) do
  redis.call('ZREM', KEYS[1], message)
  redis.call('XADD', KEYS[2], '*', 'message', message)
end
return #due
"""

REDRIVE = """
local dead = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 100)
for _, entry in ipairs(dead) do
  redis.call('XDEL', KEYS[1], entry[1])
  redis.call('XADD', KEYS[2], '*', 'message', entry[2][2])
end
return #dead
"""


@contextmanager
def answering() -> Iterator[None]:
    """What is done in this context needs Redis.

    Raises:
        Unavailable: Redis cannot be reached, or cannot do it now.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        raise Unavailable("message broker") from error


class RedisBroker:
    """A stream with a group of consumers, a sorted set of messages that wait for another attempt, and dead letters."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._consumer = f"{socket.gethostname()}-{os.getpid()}"
        self._cursor = "0-0"
        self._upkeep_at = 0.0
        self._publish = redis.register_script(PUBLISH)
        self._done = redis.register_script(DONE)
        self._retry = redis.register_script(RETRY)
        self._bury = redis.register_script(BURY)
        self._wake = redis.register_script(WAKE)
        self._redrive = redis.register_script(REDRIVE)

    async def publish(self, message: Message, key: str) -> Message:
        with answering():
            keys = [STREAM, BY_KEY + key, BY_ID + message.id]
            published = await self._publish(keys, [message.model_dump_json(), self._settings.remember_seconds])
        return Message.model_validate_json(published)

    async def published(self, message_id: str) -> Message | None:
        with answering():
            published = cast("str | None", await self._redis.get(BY_ID + message_id))
        return Message.model_validate_json(published) if published else None

    async def receive(self) -> Delivery | None:
        with answering():
            try:
                return await self._abandoned() or await self._next()
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
            # This is the first worker, or Redis has come back empty.
            await self._create_group()
        return None

    async def done(self, delivery: Delivery) -> None:
        with answering():
            await self._done([STREAM], [GROUP, delivery.entry])

    async def retry(self, delivery: Delivery, message: Message, seconds: float) -> None:
        with answering():
            await self._retry([STREAM, DELAYED], [GROUP, delivery.entry, message.model_dump_json(), seconds])

    async def bury(self, delivery: Delivery, body: str, reason: str) -> None:
        with answering():
            await self._bury([STREAM, DEAD], [GROUP, delivery.entry, body, reason, self._settings.dead_letters])

    async def redrive(self) -> int:
        redriven = 0
        with answering():
            while some := await self._redrive([DEAD, STREAM]):
                redriven += some
        return redriven

    async def backlog(self) -> Backlog:
        with answering():
            async with self._redis.pipeline() as pipe:
                pipe.xlen(STREAM)
                pipe.zcard(DELAYED)
                pipe.xlen(DEAD)
                pipe.xrange(STREAM, count=1)
                length, delayed, dead, oldest = await pipe.execute()
            try:
                in_hand = cast("dict[str, int]", await self._redis.xpending(STREAM, GROUP))["pending"]
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                in_hand = 0
        # An entry's id begins with the moment at which it was added.
        age = max(0.0, time.time() - int(oldest[0][0].split("-")[0]) / 1000) if oldest else 0.0
        return Backlog(length - in_hand, in_hand, delayed, dead, age)

    async def check(self) -> None:
        with answering():
            await self._redis.ping()

    async def _next(self) -> Delivery | None:
        block = int(1000 * WAIT_SECONDS)
        answer: Any = await self._redis.xreadgroup(GROUP, self._consumer, {STREAM: ">"}, count=1, block=block)
        for _, entries in answer:
            for entry, fields in entries:
                return Delivery(entry, fields.get("message", ""))
        return None

    async def _abandoned(self) -> Delivery | None:
        """Once in a while, see to what no worker does by itself; return a message whose worker has died."""
        if time.monotonic() < self._upkeep_at:
            return None
        await self._wake([DELAYED, STREAM])
        held = int(2000 * self._settings.message_seconds)
        self._cursor, claimed, _ = await self._redis.xautoclaim(
            STREAM, GROUP, self._consumer, held, self._cursor, count=1
        )
        for entry, fields in claimed:
            pending = await self._redis.xpending_range(STREAM, GROUP, entry, entry, 1)
            times = cast("list[dict[str, int]]", pending)[0]["times_delivered"]
            log.warning("took over a message that another worker held for too long", entry=entry, times=times)
            return Delivery(entry, fields.get("message", ""), times)
        await self._forget_workers()
        self._upkeep_at = time.monotonic() + UPKEEP_SECONDS
        return None

    async def _forget_workers(self) -> None:
        for consumer in await self._redis.xinfo_consumers(STREAM, GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > CONSUMER_SECONDS * 1000:
                await self._redis.xgroup_delconsumer(STREAM, GROUP, consumer["name"])

    async def _create_group(self) -> None:
        try:
            await self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            log.info("made the group of workers", stream=STREAM, group=GROUP)
        except ResponseError as error:
            # Another worker was faster.
            if not str(error).startswith("BUSYGROUP"):
                raise
