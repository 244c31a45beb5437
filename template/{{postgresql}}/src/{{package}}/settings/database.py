"""Settings of the database."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from .service import ServiceSettings


class DatabaseSettings(ServiceSettings):
    """Where the data is: a PostgreSQL server, or a SQLite file in DATA_DIR when no server is named."""

    database_url: str = ""
    database_password: SecretStr | None = None
    """Takes the place of a password in the URL, so that it can come from a secret file."""

    database_pool_size: Annotated[int, Field(ge=1)] = 10

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            if value and make_url(value).get_backend_name() not in {"postgresql", "postgres", "sqlite"}:
                raise ValueError("must begin with postgresql:// or sqlite://")
        except ArgumentError:
            raise ValueError("must look like postgresql://user@host/name") from None
        return value

    @property
    def embedded_database(self) -> bool:
        """Whether the data is in a file of the service's own instead of on a server."""
        return self.database.get_backend_name() == "sqlite"

    @property
    def database(self) -> URL:
        """Where the data is, with the asynchronous driver and the password filled in."""
        if not self.database_url:
            return URL.create("sqlite+aiosqlite", database=str(self.data_dir / "database.sqlite3"))
        url = make_url(self.database_url)
        if url.get_backend_name() == "sqlite":
            return url.set(drivername="sqlite+aiosqlite")
        if self.database_password:
            url = url.set(password=self.database_password.get_secret_value())
        return url.set(drivername="postgresql+asyncpg")
