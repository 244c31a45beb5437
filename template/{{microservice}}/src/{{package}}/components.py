"""What the service is made of: opened when it starts, handed to each request or message, closed when it stops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

import structlog
from fastapi import FastAPI

from .catalogue import open_catalogue
from .health import Check
from .messages.broker import Broker
from .messages.consumer import Consumer, Handler
from .messages.memory import MemoryBroker
from .messages.redis import RedisBroker
from .orders.handler import ORDER_PLACED, OrderHandler
from .orders.repository import OrderRepository
from .orders.schemas import OrderPlaced
from .orders.storage import open_orders
from .redis import connect
from .settings import Settings

log = structlog.stdlib.get_logger("components")


class State(TypedDict):
    """What a request finds in `request.state`."""

    broker: Broker
    orders: OrderRepository
    checks: list[Check]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open what the API needs, serve, close everything."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "everything is closed", service=app.title)
        state = await _open(stack, settings)
        if not settings.redis_url:
            log.warning("REDIS_URL names no server: messages are in memory, and handled by this process")
            await _consume(stack, settings, state)
        yield state


@asynccontextmanager
async def worker_lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open what the worker needs, handle messages, close everything."""
    settings: Settings = app.state.settings
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "everything is closed", service=app.title)
        state = await _open(stack, settings)
        await _consume(stack, settings, state)
        yield state


async def _open(stack: AsyncExitStack, settings: Settings) -> State:
    """Open what the API and the worker have in common."""
    redis = None
    if settings.redis_url:
        # Longer than the broker waits for a message.
        redis = await stack.enter_async_context(connect(settings, timeout=2, decode_responses=True))
    broker = RedisBroker(redis, settings) if redis else MemoryBroker(settings)
    orders, checks = await stack.enter_async_context(open_orders(settings, redis))
    return {"broker": broker, "orders": orders, "checks": [Check("broker", broker.check), *checks]}


async def _consume(stack: AsyncExitStack, settings: Settings, state: State) -> None:
    """Handle messages until the stack is closed; what is done with each kind is said here."""
    catalogue = await stack.enter_async_context(open_catalogue(settings))
    orders = state["orders"]
    handlers = {ORDER_PLACED: Handler(OrderPlaced, OrderHandler(orders, catalogue))}
    consumer = Consumer(state["broker"], handlers, settings, orders.forget_messages)
    await stack.enter_async_context(consumer)
    state["checks"].append(Check("consumer", consumer.check, vital=True))
