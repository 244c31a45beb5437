"""Tasks for workers, in a module that is quickly imported."""

import os
import time
from pathlib import Path

from towpath.fleet import Member


def echo(member: Member) -> str:
    """Most give their name."""
    if member.name == "dies":
        os._exit(9)
    if member.name == "breaks":
        raise KeyError("odd")
    return member.name


def note_and_sleep(folder: Path, member: Member) -> None:
    """Say which process this is, and take long."""
    (folder / f"{os.getpid()}-{member.name}").touch()
    time.sleep(60)
