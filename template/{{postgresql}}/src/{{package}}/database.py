"""The database: PostgreSQL where DATABASE_URL names one, a SQLite file where it does not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import structlog
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from .problems import Unavailable
from .settings import Settings

log = structlog.stdlib.get_logger("database")

# Classes of SQLSTATE that speak of the server, not of the statement (PostgreSQL's documentation, appendix A): it cannot
# be reached, lets nobody in, is full, or is starting or stopping.
SERVER_STATES = ("08", "28", "53", "57")

COMMAND_SECONDS = 10


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, with its zone; SQLite keeps the moment and forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Base(DeclarativeBase):
    """The parent of every table."""

    # Named constraints can be altered by a migration on every database.
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UtcDateTime}


def create_engine(settings: Settings, *, patient: bool = False) -> AsyncEngine:
    """An engine whose every wait has an end, so that a lost database costs a request seconds and not minutes.

    Args:
        settings: Where the data is.
        patient: Whether a statement may take as long as it needs after all, as those of migrations may.
    """
    if settings.embedded_database:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(settings.database, hide_parameters=True, connect_args={"timeout": 5})
        event.listen(engine.sync_engine, "connect", _enforce_foreign_keys)
        return engine
    return create_async_engine(
        settings.database,
        hide_parameters=True,
        pool_size=settings.database_pool_size,
        pool_timeout=5,
        pool_pre_ping=True,
        connect_args={"timeout": 5, "command_timeout": None if patient else COMMAND_SECONDS},
    )


class Database:
    """Connections to the database for as long as the context is open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = create_engine(settings)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def __aenter__(self) -> Self:
        if self._settings.embedded_database:
            # On a server it is a step of its own, so a service that has one starts without importing Alembic.
            from .migrations import migrate

            log.warning("DATABASE_URL names no server: using a file", path=self._settings.database.database)
            await asyncio.to_thread(migrate, self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that is committed at the end, or rolled back if anything was raised.

        Raises:
            Unavailable: The database could not be reached, or was lost on the way.
        """
        try:
            async with self._sessions.begin() as session:
                yield session
        except (OSError, PoolTimeoutError, OperationalError, InterfaceError) as error:
            raise Unavailable("database") from error
        except DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None) or ""
            if not error.connection_invalidated and not state.startswith(SERVER_STATES):
                raise
            raise Unavailable("database") from error

    async def check(self) -> None:
        """Return if the database answers."""
        async with self.transaction() as session:
            await session.execute(text("SELECT 1"))


def _enforce_foreign_keys(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
