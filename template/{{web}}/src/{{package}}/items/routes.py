"""Items over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from ..problems import Problem
from .dependencies import ItemId, Items
from .repository import NameTaken
from .schemas import Item, ItemDraft, ItemPage

router = APIRouter(prefix="/items", tags=["items"])

NOT_FOUND = Problem(404, "There is no such item.")
NAME_TAKEN = Problem(409, "Another item has this name.")


@router.post("", status_code=201)
async def create_item(draft: ItemDraft, items: Items, response: Response) -> Item:
    """Create an item."""
    try:
        item = await items.add(draft)
    except NameTaken:
        raise NAME_TAKEN from None
    response.headers["Location"] = f"/items/{item.id}"
    return item


@router.get("")
async def list_items(
    items: Items,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="`next` of the page before")] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ItemPage:
    """List items, oldest first."""
    found = await items.page(after, limit + 1)
    return ItemPage(items=found[:limit], next=found[limit - 1].id if len(found) > limit else None)


@router.get("/{item_id}")
async def read_item(item_id: ItemId, items: Items) -> Item:
    """Read one item."""
    item = await items.get(item_id)
    if item is None:
        raise NOT_FOUND
    return item


@router.put("/{item_id}")
async def replace_item(item_id: ItemId, draft: ItemDraft, items: Items) -> Item:
    """Replace what is known of an item."""
    try:
        item = await items.replace(item_id, draft)
    except NameTaken:
        raise NAME_TAKEN from None
    if item is None:
        raise NOT_FOUND
    return item


@router.delete("/{item_id}", status_code=204)
async def delete_item(item_id: ItemId, items: Items) -> None:
    """Delete an item."""
    if not await items.remove(item_id):
        raise NOT_FOUND
