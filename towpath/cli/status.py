"""`towpath status`."""

from . import app
from .options import Paths


@app.command()
def status(paths: Paths) -> None:
    """Not there yet."""
    raise NotImplementedError(paths)
