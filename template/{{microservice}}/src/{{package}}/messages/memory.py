"""Messages in this process's memory: handled by the process that published them, and gone when it ends."""

import asyncio
import time
from collections import deque

from ..settings import Settings
from .broker import Backlog, Delivery
from .message import Message

WAIT_SECONDS = 1


class MemoryBroker:
    """A queue in one process. It forgets nothing that was published, so it is for trying things and not for months."""

    def __init__(self, settings: Settings) -> None:
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._unsettled: dict[str, float] = {}
        """Since when each message that is waiting or in hand has been there."""
        self._delayed: set[Delivery] = set()
        self._dead: deque[Delivery] = deque(maxlen=settings.dead_letters)
        self._by_key: dict[str, Message] = {}
        self._by_id: dict[str, Message] = {}

    async def publish(self, message: Message, key: str) -> Message:
        if key not in self._by_key:
            self._by_key[key] = self._by_id[message.id] = message
            self._add(Delivery(message.id, message.model_dump_json()))
        return self._by_key[key]

    async def published(self, message_id: str) -> Message | None:
        return self._by_id.get(message_id)

    async def receive(self) -> Delivery | None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._waiting.get()
        except TimeoutError:
            return None

    async def done(self, delivery: Delivery) -> None:
        self._unsettled.pop(delivery.entry, None)

    async def retry(self, delivery: Delivery, message: Message, seconds: float) -> None:
        await self.done(delivery)
        again = Delivery(delivery.entry, message.model_dump_json())
        self._delayed.add(again)
        asyncio.get_running_loop().call_later(seconds, self._wake, again)

    async def bury(self, delivery: Delivery, body: str, reason: str) -> None:  # noqa: ARG002  (it is in the log)
        await self.done(delivery)
        self._dead.append(Delivery(delivery.entry, body))

    async def redrive(self) -> int:
        redriven = len(self._dead)
        while self._dead:
            self._add(self._dead.popleft())
        return redriven

    async def backlog(self) -> Backlog:
        now = time.monotonic()
        waiting = self._waiting.qsize()
        in_hand = len(self._unsettled) - waiting
        oldest = now - min(self._unsettled.values(), default=now)
        return Backlog(waiting, in_hand, len(self._delayed), len(self._dead), oldest)

    async def check(self) -> None:
        return

    def _add(self, delivery: Delivery) -> None:
        self._unsettled[delivery.entry] = time.monotonic()
        self._waiting.put_nowait(delivery)

    def _wake(self, delivery: Delivery) -> None:
        self._delayed.discard(delivery)
        self._add(delivery)
