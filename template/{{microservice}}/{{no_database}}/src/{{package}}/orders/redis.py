"""Orders in Redis, which is no database: an order is forgotten after REMEMBER_SECONDS."""

from typing import cast
from uuid import UUID

from redis.asyncio import Redis

from ..inbox import once
from ..messages.redis import answering
from ..settings import Settings
from .schemas import Order, Sales

ORDER = "orders:"
SALES = "sales"


class RedisOrderRepository:
    """Orders as keys, and what they sold as a hash."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings

    async def decide(self, message_id: str, order: Order) -> None:
        with answering():
            async with once(self._redis, message_id, self._settings) as pipe:
                pipe.set(f"{ORDER}{order.id}", order.model_dump_json(), ex=self._settings.remember_seconds)
                if order.status == "accepted":
                    pipe.hincrby(SALES, order.article, order.quantity)

    async def get(self, order_id: UUID) -> Order | None:
        with answering():
            order = cast("str | None", await self._redis.get(f"{ORDER}{order_id}"))
        return Order.model_validate_json(order) if order else None

    async def sales(self) -> Sales:
        with answering():
            return Sales.model_validate({"articles": await self._redis.hgetall(SALES)})

    async def forget_messages(self) -> None:
        """Redis forgets them by itself."""
