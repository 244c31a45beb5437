"""Items as callers see them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from ..storable import Storable


class ItemDraft(BaseModel):
    """What a caller says about an item."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Storable]
    """Unique among all items."""
    description: Annotated[str, StringConstraints(max_length=1000), Storable] = ""


class Item(BaseModel):
    """An item as it is kept."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    description: str
    created_at: datetime
    updated_at: datetime


class ItemPage(BaseModel):
    """Some of the items, oldest first."""

    items: list[Item]
    next: int | None
    """Pass it as `after` to get the following page; null on the last."""
