"""Text as callers give it, and whether it can be kept."""

import re

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

# PostgreSQL keeps no NUL, and UTF-8 has no half of a surrogate pair, though JSON can spell it.
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def _storable(value: object) -> object:
    if isinstance(value, str) and UNSTORABLE.search(value):
        raise PydanticCustomError("unstorable_text", "Text cannot hold the character NUL or half of a surrogate pair")
    return value


Storable = BeforeValidator(_storable)
"""Belongs to every text that is kept."""
