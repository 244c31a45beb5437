"""Handling messages: whatever takes them from a broker and settles every one of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

import structlog
from opentelemetry import propagate, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel, ValidationError

from ..backoff import backoff
from ..problems import Unavailable
from ..settings import Settings
from .broker import Broker, Delivery
from .message import AlreadyHandled, Message, Unprocessable

log = structlog.stdlib.get_logger("consumer")
tracer = trace.get_tracer(__name__)

HANDLED = Counter(
    "messages_handled_total",
    "Deliveries by how they ended: done, duplicate, retried, postponed (something did not answer), or dead.",
    ["kind", "outcome"],
)
DURATION = Histogram("message_duration_seconds", "Time that a delivery was in hand, by kind.", ["kind"])
BACKLOG = Gauge("messages_backlog", "Messages by state: waiting, in_hand, delayed or dead.", ["state"])
OLDEST = Gauge("messages_oldest_seconds", "How long the oldest message that is waiting or in hand has been there.")

LONGEST_RETRY_SECONDS = 300
LONGEST_PAUSE_SECONDS = 30
MEASURE_SECONDS = 5
CHORE_SECONDS = 3600

Payload = TypeVar("Payload", bound=BaseModel)


@dataclass(frozen=True)
class Handler(Generic[Payload]):
    """What is done with the messages of one kind.

    Attributes:
        payload: The model of what they say.
        handle: Does it. It may raise AlreadyHandled; Unprocessable, which makes a dead letter at once; Unavailable,
            which has it tried again and again; anything else, which has it tried again a few times.
    """

    payload: type[Payload]
    handle: Callable[[Message, Payload], Awaitable[None]]


class Consumer:
    """Handles messages for as long as the context is open; then finishes those in hand and takes no new ones."""

    def __init__(
        self,
        broker: Broker,
        handlers: Mapping[str, Handler[Any]],
        settings: Settings,
        chore: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare to handle messages.

        Args:
            broker: Where they are.
            handlers: What is done with each kind.
            settings: How many at once, how long, how often.
            chore: Done at the start and then every hour.
        """
        self._broker = broker
        self._handlers = handlers
        self._settings = settings
        self._chore = chore
        self._stopping = asyncio.Event()
        self._signs_of_life: dict[int, float] = {}

    async def __aenter__(self) -> Self:
        self._tasks = [
            *(asyncio.create_task(self._work(number)) for number in range(self._settings.worker_concurrency)),
            asyncio.create_task(self._repeat(MEASURE_SECONDS, self._measure)),
            asyncio.create_task(self._repeat(CHORE_SECONDS, self._chore)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        # A message that takes longer stays with the broker, and another worker takes it over.
        await asyncio.wait(self._tasks, timeout=self._settings.shutdown_seconds)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def check(self) -> None:
        """Return if messages are being taken, or would be if there were any.

        Raises:
            TimeoutError: Something hangs that should have ended long ago.
        """
        silence = time.monotonic() - min(self._signs_of_life.values(), default=time.monotonic())
        if silence > 2 * (self._settings.message_seconds + LONGEST_PAUSE_SECONDS):
            raise TimeoutError(f"no sign of life for {silence:.0f} seconds")

    async def _work(self, number: int) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._signs_of_life[number] = time.monotonic()
            structlog.contextvars.clear_contextvars()
            try:
                delivery = await self._next()
                outcome = await self._settle(delivery) if delivery else None
                failures = failures + 1 if outcome == "postponed" else 0
            except Unavailable as error:
                failures += 1
                log.warning("no messages can be had", error=str(error))
            except Exception:
                failures += 1
                log.exception("the consumer failed")
            if failures:
                await self._pause(backoff(failures, self._settings.retry_seconds, LONGEST_PAUSE_SECONDS))

    async def _next(self) -> Delivery | None:
        # Asking for messages once a second is nothing that a trace should tell.
        with suppress_instrumentation():
            receiving = asyncio.create_task(self._broker.receive())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([receiving, stopping], return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else None
        finally:
            receiving.cancel()
            stopping.cancel()
            await asyncio.gather(receiving, stopping, return_exceptions=True)

    async def _settle(self, delivery: Delivery) -> str:
        try:
            message = Message.model_validate_json(delivery.body)
        except ValidationError as error:
            reason = f"It is not a message: {_reasons(error)}"
            log.error("dead letter", entry=delivery.entry, error=reason)
            await self._broker.bury(delivery, delivery.body, reason)
            HANDLED.labels("unknown", "dead").inc()
            return "dead"

        # Only known kinds: a label for each that a stranger makes up would never end.
        kind = message.kind if message.kind in self._handlers else "unknown"
        structlog.contextvars.bind_contextvars(
            message_id=message.id, kind=kind, attempt=message.attempt, request_id=message.request_id
        )
        parent = propagate.extract(message.trace)
        with tracer.start_as_current_span(f"handle {kind}", context=parent, kind=trace.SpanKind.CONSUMER):
            started = time.perf_counter()
            outcome = await self._attempt(delivery, message)
            seconds = time.perf_counter() - started
            DURATION.labels(kind).observe(seconds)
            HANDLED.labels(kind, outcome).inc()
            log.info("message", outcome=outcome, duration_ms=round(seconds * 1000, 1))
        return outcome

    async def _attempt(self, delivery: Delivery, message: Message) -> str:
        try:
            await self._handle(delivery, message)
            outcome = "done"
        except AlreadyHandled:
            outcome = "duplicate"
        except Unavailable as error:
            return await self._postpone(delivery, message, error)
        except Exception as error:
            return await self._fail(delivery, message, error)
        await self._broker.done(delivery)
        return outcome

    async def _handle(self, delivery: Delivery, message: Message) -> None:
        if delivery.times > self._settings.max_attempts:
            raise Unprocessable(f"{delivery.times - 1} workers have died with it.")
        handler = self._handlers.get(message.kind)
        if handler is None:
            # During a deployment another release publishes too; by the next attempt a worker of it may take this one.
            raise LookupError(f"Nothing handles messages of the kind {message.kind!r}.")
        try:
            payload = handler.payload.model_validate(message.payload)
        except ValidationError as error:
            raise Unprocessable(_reasons(error)) from None
        async with asyncio.timeout(self._settings.message_seconds):
            await handler.handle(message, payload)

    async def _postpone(self, delivery: Delivery, message: Message, error: Unavailable) -> str:
        # A lost server is no fault of the message, which is tried until nobody would remember that it was handled.
        if time.time() - message.published_at > self._settings.remember_seconds:
            return await self._bury(delivery, message, error)
        log.warning("message postponed", error=str(error))
        await self._broker.retry(delivery, message, self._settings.retry_seconds)
        return "postponed"

    async def _fail(self, delivery: Delivery, message: Message, error: Exception) -> str:
        if isinstance(error, Unprocessable) or message.attempt >= self._settings.max_attempts:
            return await self._bury(delivery, message, error)
        seconds = backoff(message.attempt, self._settings.retry_seconds, LONGEST_RETRY_SECONDS)
        log.warning("message failed", retry_in=round(seconds, 1), exc_info=error)
        await self._broker.retry(delivery, message.model_copy(update={"attempt": message.attempt + 1}), seconds)
        return "retried"

    async def _bury(self, delivery: Delivery, message: Message, error: Exception) -> str:
        log.error("dead letter", exc_info=error)
        # Whoever has it delivered again gives it all its attempts.
        again = message.model_copy(update={"attempt": 1})
        await self._broker.bury(delivery, again.model_dump_json(), repr(error))
        return "dead"

    async def _measure(self) -> None:
        try:
            backlog = await self._broker.backlog()
        except Unavailable:
            # Old numbers would say that all is well.
            BACKLOG.clear()
            raise
        OLDEST.set(backlog.oldest_seconds)
        BACKLOG.labels("waiting").set(backlog.waiting)
        BACKLOG.labels("in_hand").set(backlog.in_hand)
        BACKLOG.labels("delayed").set(backlog.delayed)
        BACKLOG.labels("dead").set(backlog.dead)

    async def _repeat(self, seconds: float, do: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            try:
                with suppress_instrumentation():
                    await do()
            except Exception as error:
                log.warning("upkeep failed", error=repr(error))
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _reasons(error: ValidationError) -> str:
    # Without the values: they may be nobody's business in a log.
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
