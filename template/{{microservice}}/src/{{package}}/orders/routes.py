"""Orders over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response

from ..messages.broker import Broker
from ..messages.message import Message
from ..problems import Problem
from .handler import ORDER_PLACED
from .repository import OrderRepository
from .schemas import Order, OrderDraft, OrderPlaced, Sales

router = APIRouter(tags=["orders"])


def _broker(request: Request) -> Broker:
    broker: Broker = request.state.broker
    return broker


def _orders(request: Request) -> OrderRepository:
    orders: OrderRepository = request.state.orders
    return orders


Messages = Annotated[Broker, Depends(_broker)]
Orders = Annotated[OrderRepository, Depends(_orders)]
IdempotencyKey = Annotated[
    str,
    Header(min_length=1, max_length=255, description="Made up by the caller; the same key means the same order again"),
]

NOT_FOUND = Problem(404, "There is no such order.")
KEY_REUSED = Problem(422, "Another order was placed with this Idempotency-Key.")


@router.post("/orders", status_code=202)
async def place_order(
    draft: OrderDraft, idempotency_key: IdempotencyKey, broker: Messages, response: Response
) -> Order:
    """Place an order. It is decided later; ask for it to see how."""
    placed = OrderPlaced(**draft.model_dump())
    published = await broker.publish(Message.about(ORDER_PLACED, placed), idempotency_key)
    if OrderPlaced.model_validate(published.payload) != placed:
        raise KEY_REUSED
    response.headers["Location"] = f"/orders/{published.id}"
    return _pending(published)


@router.get("/orders/{order_id}")
async def read_order(order_id: UUID, broker: Messages, orders: Orders) -> Order:
    """Read what has become of an order."""
    order = await orders.get(order_id)
    if order is not None:
        return order
    published = await broker.published(str(order_id))
    if published is None:
        raise NOT_FOUND
    return _pending(published)


@router.get("/sales")
async def read_sales(orders: Orders) -> Sales:
    """Read how many of each article were sold."""
    return await orders.sales()


def _pending(message: Message) -> Order:
    placed = OrderPlaced.model_validate(message.payload)
    return Order(id=UUID(message.id), **placed.model_dump(), status="pending")
