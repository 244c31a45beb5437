"""The inbox: which messages were handled, remembered in the transaction of what they led to."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import String, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from .database import Base
from .messages.message import AlreadyHandled


class HandledMessageRow(Base):
    """The table of messages that were handled."""

    __tablename__ = "handled_messages"

    id: Mapped[str] = mapped_column(String(100), primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(index=True)


async def remember(session: AsyncSession, message_id: str) -> None:
    """Remember a message when the session is committed; whoever handles it at the same moment waits for that.

    Raises:
        AlreadyHandled: It was handled before. The session can only be rolled back.
    """
    session.add(HandledMessageRow(id=message_id, handled_at=datetime.now(UTC)))
    try:
        await session.flush()
    except IntegrityError as error:
        raise AlreadyHandled from error


async def forget(session: AsyncSession, seconds: float) -> None:
    """Forget the messages that were handled longer ago than that."""
    limit = datetime.now(UTC) - timedelta(seconds=seconds)
    await session.execute(delete(HandledMessageRow).where(HandledMessageRow.handled_at < limit))
