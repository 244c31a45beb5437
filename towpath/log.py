"""One log file per repository."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What is logged is for the log of a repository; commands say themselves what a person has to know.
logging.getLogger(__package__).addHandler(logging.NullHandler())


@contextmanager
def logged(folder: Path | None, name: str) -> Iterator[None]:
    """Write what is done meanwhile to `folder/NAME.log`, where slashes in the name become folders; None writes none."""
    if folder is None:
        yield
        return
    path = folder / f"{name.strip('/')}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8", errors="replace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger(__package__)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
