"""Items in the database."""

from datetime import UTC, datetime

from sqlalchemy import String, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from ..database import Base, Database
from .repository import NameTaken
from .schemas import Item, ItemDraft


class ItemRow(Base):
    """The table of items."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    description: Mapped[str] = mapped_column(String(1000))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SqlItemRepository:
    """Items as rows; each call is a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, draft: ItemDraft) -> Item:
        now = datetime.now(UTC)
        row = ItemRow(**draft.model_dump(), created_at=now, updated_at=now)
        try:
            async with self._database.transaction() as session:
                session.add(row)
        except IntegrityError as error:
            raise NameTaken from error
        return Item.model_validate(row)

    async def get(self, item_id: int) -> Item | None:
        async with self._database.transaction() as session:
            row = await session.get(ItemRow, item_id)
        return Item.model_validate(row) if row else None

    async def page(self, after: int, limit: int) -> list[Item]:
        query = select(ItemRow).where(ItemRow.id > after).order_by(ItemRow.id).limit(limit)
        async with self._database.transaction() as session:
            return [Item.model_validate(row) for row in await session.scalars(query)]

    async def replace(self, item_id: int, draft: ItemDraft) -> Item | None:
        change = update(ItemRow).where(ItemRow.id == item_id).values(**draft.model_dump(), updated_at=datetime.now(UTC))
        try:
            async with self._database.transaction() as session:
                row = await session.scalar(change.returning(ItemRow))
        except IntegrityError as error:
            raise NameTaken from error
        return Item.model_validate(row) if row else None

    async def remove(self, item_id: int) -> bool:
        async with self._database.transaction() as session:
            removed = await session.scalar(delete(ItemRow).where(ItemRow.id == item_id).returning(ItemRow.id))
        return removed is not None
