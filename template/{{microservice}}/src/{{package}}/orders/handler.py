"""What the worker does with an order."""

from uuid import UUID

from ..catalogue import Catalogue
from ..messages.message import Message
from .repository import OrderRepository
from .schemas import Order, OrderPlaced

ORDER_PLACED = "order.placed"


class OrderHandler:
    """Accepts orders for what is in the catalogue, and rejects others."""

    def __init__(self, orders: OrderRepository, catalogue: Catalogue) -> None:
        self._orders = orders
        self._catalogue = catalogue

    async def __call__(self, message: Message, placed: OrderPlaced) -> None:
        """Decide an order.

        Raises:
            AlreadyHandled: It was decided when the message came before.
            Unavailable: The catalogue, or where orders are kept, does not answer.
        """
        order = Order(id=UUID(message.id), **placed.model_dump(), status="rejected")
        article = await self._catalogue.article(placed.article)
        if article:
            order.status = "accepted"
            order.total_cents = placed.quantity * article.price_cents
        await self._orders.decide(message.id, order)
