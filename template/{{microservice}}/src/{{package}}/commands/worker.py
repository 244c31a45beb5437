"""Handle messages; its health and metrics are at HOST and PORT."""

import argparse
import sys

from ..settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--reload", action="store_true", help="start again whenever a source file changes")


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Handle messages until SIGTERM or Ctrl-C.

    Raises:
        SystemExit: With 2 if there is no broker to get messages from.
    """
    if not settings.redis_url:
        print("REDIS_URL: the worker needs it, such as redis://localhost:6379/0", file=sys.stderr)
        raise SystemExit(2)

    from ..server import serve
    from ..worker import create_worker, reloaded_worker

    # No load balancer has to learn that it goes, so it stops taking messages at once.
    settings = settings.model_copy(update={"drain_seconds": 0})
    serve(settings, create_worker, reload=reloaded_worker if options.reload else None)
