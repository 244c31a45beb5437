"""What the rest of the service expects of the place where items are kept."""

from typing import Protocol

from .schemas import Item, ItemDraft


class NameTaken(Exception):
    """Another item has this name."""


class ItemRepository(Protocol):
    """Items, wherever they are. Each call is complete when it returns: committed, or not done at all."""

    async def add(self, draft: ItemDraft) -> Item:
        """Keep a new item.

        Raises:
            NameTaken: Another item has this name.
        """
        ...

    async def get(self, item_id: int) -> Item | None:
        """One item, or None if there is none."""
        ...

    async def page(self, after: int, limit: int) -> list[Item]:
        """Up to `limit` items whose ids are greater than `after`, in the order of their ids."""
        ...

    async def replace(self, item_id: int, draft: ItemDraft) -> Item | None:
        """Say something else about an item, or None if there is none.

        Raises:
            NameTaken: Another item has this name.
        """
        ...

    async def remove(self, item_id: int) -> bool:
        """Forget an item; False if there was none."""
        ...
