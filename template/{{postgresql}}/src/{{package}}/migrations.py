"""Bringing the database to the newest migration; the migrations themselves are in `migrations/` at the root."""

from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config

from .settings import Settings

log = structlog.stdlib.get_logger("migrations")

ROOT = Path(__file__).parents[2]


def migrate(settings: Settings) -> None:
    """Apply every migration that is missing, all of them or, after an error, none.

    Replicas may do this at the same moment: on PostgreSQL they take turns by an advisory lock.
    """
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["settings"] = settings
    command.upgrade(config, "head")
    log.info("database is at the newest migration")
