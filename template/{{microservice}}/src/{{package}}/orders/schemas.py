"""Orders as callers see them."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class OrderDraft(BaseModel):
    """What a caller orders; also what the message says."""

    model_config = ConfigDict(extra="forbid")

    article: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
    quantity: Annotated[int, Field(ge=1, le=1000)]


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
