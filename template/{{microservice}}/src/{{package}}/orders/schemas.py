"""Orders as callers see them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ..storable import Storable


class OrderDraft(BaseModel):
    """What a caller orders."""

    model_config = ConfigDict(extra="forbid")

    article: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), Storable]
    quantity: Annotated[int, Field(ge=1, le=1000)]


class OrderPlaced(OrderDraft):
    """What the message says. During a deployment the other release may say more, so what is unknown is let be."""

    model_config = ConfigDict(extra="ignore")


class Order(BaseModel):
    """An order, and what has become of it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    article: str
    quantity: int
    status: Literal["pending", "accepted", "rejected"]
    total_cents: int | None = None
    """Known when it is accepted."""


class Sales(BaseModel):
    """How many of each article were sold."""

    articles: dict[str, int]
