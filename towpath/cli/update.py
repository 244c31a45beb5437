"""`towpath update`."""

from . import app
from .options import Paths


@app.command()
def update(paths: Paths) -> None:
    """Not there yet."""
    raise NotImplementedError(paths)
