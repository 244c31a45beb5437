"""`towpath plan`."""

from . import app
from .options import Paths


@app.command()
def plan(paths: Paths) -> None:
    """Not there yet."""
    raise NotImplementedError(paths)
