"""Bring the database to the newest migration; safe to run from several places at once."""

import argparse
import sys

from ..settings import Settings


def add_arguments(_: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(settings: Settings, _: argparse.Namespace) -> None:
    """Migrate, and return when it is done."""
    from alembic.util import CommandError

    from ..migrations import migrate

    try:
        migrate(settings)
    except CommandError as error:
        advice = " Join them: uv run alembic merge heads" if "Multiple head" in str(error) else ""
        sys.exit(f"{error}{advice}")
