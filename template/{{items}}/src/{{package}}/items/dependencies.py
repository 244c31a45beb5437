"""What routes of items take from a request."""

from typing import Annotated

from fastapi import Depends, Path, Request

from .repository import ItemRepository


def _items(request: Request) -> ItemRepository:
    items: ItemRepository = request.state.items
    return items


# The largest id that the database can hold.
ItemId = Annotated[int, Path(ge=1, le=2**31 - 1)]
Items = Annotated[ItemRepository, Depends(_items)]
