"""The command line: one module per command."""

import logging
import sys

import typer

from ..errors import Exit, TowpathError

app = typer.Typer(
    name="towpath",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""Best practice across a fleet of repositories made from a Copier template.

`towpath status` says where they stand, `towpath plan` what an update would do, `towpath update` does it on a branch,
`towpath waves` brings it to a whole fleet, a few repositories first; `towpath adopt` lets an existing repository join.
A work tree is never written to unless asked, and no commit ever holds a conflict marker.

Exit codes: 0 done or nothing to do; 1 something could not be used, the message says what; 2 wrong command line;
3 an update was stopped before it changed anything, or a rollout is paused; 4 with `--check`, something is behind or has
drifted; 5 a rollout waits; 130 interrupted.
""",
)

from . import adopt, plan, status, update, waves  # noqa: E402, F401  (each adds its command to `app`)


def main() -> None:
    """Run the command line."""
    # Waiting for a rate limit can take an hour; a person should know.
    logging.getLogger("towpath.forges").addHandler(logging.StreamHandler())
    try:
        app()
    except TowpathError as error:
        typer.echo(f"towpath: {error}", err=True)
        sys.exit(error.exit)
    except OSError as error:
        if not error.filename:
            raise
        typer.echo(f"towpath: {error.filename} cannot be used: {error.strerror}", err=True)
        sys.exit(Exit.PROBLEM)
