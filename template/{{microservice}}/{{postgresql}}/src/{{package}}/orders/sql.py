"""Orders in the database."""

from uuid import UUID

from sqlalchemy import String, select, text
from sqlalchemy.orm import Mapped, mapped_column

from .. import inbox
from ..database import Base, Database
from ..settings import Settings
from .schemas import Order, Sales


class OrderRow(Base):
    """The table of decided orders."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    article: Mapped[str] = mapped_column(String(50))
    quantity: Mapped[int]
    status: Mapped[str] = mapped_column(String(10))
    total_cents: Mapped[int | None]


class SalesRow(Base):
    """The table of what was sold."""

    __tablename__ = "sales"

    article: Mapped[str] = mapped_column(String(50), primary_key=True)
    quantity: Mapped[int]


# One statement, the same for PostgreSQL and SQLite, so that no worker can overwrite what another has counted.
COUNT = text(
    "INSERT INTO sales (article, quantity) VALUES (:article, :quantity) "
    "ON CONFLICT (article) DO UPDATE SET quantity = sales.quantity + excluded.quantity"
)


class SqlOrderRepository:
    """Orders as rows; each call is a transaction."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def decide(self, message_id: str, order: Order) -> None:
        async with self._database.transaction() as session:
            await inbox.remember(session, message_id)
            session.add(OrderRow(**order.model_dump()))
            if order.status == "accepted":
                await session.execute(COUNT, {"article": order.article, "quantity": order.quantity})

    async def get(self, order_id: UUID) -> Order | None:
        async with self._database.transaction() as session:
            row = await session.get(OrderRow, order_id)
        return Order.model_validate(row) if row else None

    async def sales(self) -> Sales:
        async with self._database.transaction() as session:
            rows = await session.scalars(select(SalesRow).order_by(SalesRow.article))
            return Sales(articles={row.article: row.quantity for row in rows})

    async def forget_messages(self) -> None:
        async with self._database.transaction() as session:
            await inbox.forget(session, self._settings.remember_seconds)
