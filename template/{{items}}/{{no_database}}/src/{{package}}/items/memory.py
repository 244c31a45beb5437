"""Items in this process's memory: gone at a restart, and not shared between replicas."""

from datetime import UTC, datetime
from itertools import count, islice

from .repository import NameTaken
from .schemas import Item, ItemDraft


class MemoryItemRepository:
    """Items in a dictionary, in the order of their ids."""

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}
        self._ids = count(1)

    async def add(self, draft: ItemDraft) -> Item:
        self._refuse_taken(draft.name)
        now = datetime.now(UTC)
        item = Item(id=next(self._ids), **draft.model_dump(), created_at=now, updated_at=now)
        self._items[item.id] = item
        return item

    async def get(self, item_id: int) -> Item | None:
        return self._items.get(item_id)

    async def page(self, after: int, limit: int) -> list[Item]:
        return list(islice((item for item in self._items.values() if item.id > after), limit))

    async def replace(self, item_id: int, draft: ItemDraft) -> Item | None:
        item = self._items.get(item_id)
        if item is None:
            return None
        self._refuse_taken(draft.name, but=item_id)
        changed = item.model_copy(update={**draft.model_dump(), "updated_at": datetime.now(UTC)})
        self._items[item_id] = changed
        return changed

    async def remove(self, item_id: int) -> bool:
        return self._items.pop(item_id, None) is not None

    def _refuse_taken(self, name: str, but: int | None = None) -> None:
        if any(item.name == name and item.id != but for item in self._items.values()):
            raise NameTaken
