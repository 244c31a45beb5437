"""Answer HTTP requests; what happens when no command is given."""

import argparse

from ..settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--reload", action="store_true", help="start again whenever a source file changes")


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    from ..server import reloaded_application, serve

    serve(settings, reload=reloaded_application if options.reload else None)
