"""Orders in this process's memory: gone at a restart, and not shared between replicas."""

from collections import Counter
from uuid import UUID

from ..messages.message import AlreadyHandled
from .schemas import Order, Sales


class MemoryOrderRepository:
    """Orders in a dictionary."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._sales: Counter[str] = Counter()

    async def decide(self, message_id: str, order: Order) -> None:
        if message_id in self._orders:
            raise AlreadyHandled
        self._orders[message_id] = order
        if order.status == "accepted":
            self._sales[order.article] += order.quantity

    async def get(self, order_id: UUID) -> Order | None:
        return self._orders.get(str(order_id))

    async def sales(self) -> Sales:
        return Sales(articles=dict(self._sales))

    async def forget_messages(self) -> None:
        """They are the orders themselves."""
