"""Where orders are kept: in the database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from ..database import Database
from ..health import Check
from ..settings import Settings
from .repository import OrderRepository
from .sql import SqlOrderRepository


@asynccontextmanager
async def open_orders(settings: Settings, _: Redis | None) -> AsyncIterator[tuple[OrderRepository, list[Check]]]:
    """Open the place, and say how to ask whether it is well."""
    async with Database(settings) as database:
        yield SqlOrderRepository(database, settings), [Check("database", database.check)]
