"""What the rest of the service expects of the place where decided orders are kept."""

from typing import Protocol
from uuid import UUID

from .schemas import Order, Sales


class OrderRepository(Protocol):
    """Orders that were decided, and what they sold."""

    async def decide(self, message_id: str, order: Order) -> None:
        """Keep an order that the message led to, count what it sold, and remember the message: all of it or nothing.

        Raises:
            AlreadyHandled: The message was remembered already. Nothing has changed.
        """
        ...

    async def get(self, order_id: UUID) -> Order | None:
        """One order, or None if none was decided that has this id."""
        ...

    async def sales(self) -> Sales:
        """What was sold, of every article."""
        ...

    async def forget_messages(self) -> None:
        """Forget the messages that were handled so long ago that they cannot come again."""
        ...
