"""Items, with what was read lately kept at hand."""

from contextlib import suppress

from pydantic import ValidationError

from ..cache import Cache
from .repository import ItemRepository
from .schemas import Item, ItemDraft


class CachedItemRepository:
    """Another repository behind a cache of single items. An item that is read may be CACHE_SECONDS old, no more."""

    def __init__(self, items: ItemRepository, cache: Cache) -> None:
        self._items = items
        self._cache = cache

    async def add(self, draft: ItemDraft) -> Item:
        return await self._items.add(draft)

    async def get(self, item_id: int) -> Item | None:
        cached = await self._cache.get(_key(item_id))
        if cached is not None:
            # During a deployment two releases share the cache, and may give items different shapes.
            with suppress(ValidationError):
                return Item.model_validate_json(cached)
        item = await self._items.get(item_id)
        if item is not None:
            await self._cache.set(_key(item_id), item.model_dump_json().encode())
        return item

    async def page(self, after: int, limit: int) -> list[Item]:
        return await self._items.page(after, limit)

    async def replace(self, item_id: int, draft: ItemDraft) -> Item | None:
        item = await self._items.replace(item_id, draft)
        await self._cache.delete(_key(item_id))
        return item

    async def remove(self, item_id: int) -> bool:
        removed = await self._items.remove(item_id)
        await self._cache.delete(_key(item_id))
        return removed


def _key(item_id: int) -> str:
    return f"item:{item_id}"
