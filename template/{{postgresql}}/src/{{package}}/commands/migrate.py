"""Bring the database to the newest migration; safe to run from several places at once."""

import argparse

from ..settings import Settings


def add_arguments(_: argparse.ArgumentParser) -> None:
    """There are no options."""


def run(settings: Settings, _: argparse.Namespace) -> None:
    """Migrate, and return when it is done."""
    from ..migrations import migrate

    migrate(settings)
