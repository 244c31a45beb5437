"""Structured changes that a release makes to files which belong to the project."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Change:
    """What became of one change that a release asks for.

    Attributes:
        release: The release that asks for it.
        file: The file it is about.
        why: One sentence for the person who reads the plan.
        instruction: What to do, in words, for a person who does it by hand.
        state: `applied` (the update does it), `present` (already so) or `instruction` (the file is not as expected, so
            a person has to do it).
        diff: The change to the file as a unified diff, where it is applied.
    """

    release: str
    file: str
    why: str
    instruction: str
    state: Literal["applied", "present", "instruction"]
    diff: str = ""
