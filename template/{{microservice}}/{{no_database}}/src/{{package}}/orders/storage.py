"""Where orders are kept: Redis where REDIS_URL names one, this process's memory where it does not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from ..health import Check
from ..settings import Settings
from .memory import MemoryOrderRepository
from .redis import RedisOrderRepository
from .repository import OrderRepository


@asynccontextmanager
async def open_orders(settings: Settings, redis: Redis | None) -> AsyncIterator[tuple[OrderRepository, list[Check]]]:
    """Open the place, and say how to ask whether it is well."""
    yield RedisOrderRepository(redis, settings) if redis else MemoryOrderRepository(), []
