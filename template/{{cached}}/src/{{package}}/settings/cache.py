"""Settings of the cache."""

from typing import Annotated

from pydantic import Field

from .service import ServiceSettings


class CacheSettings(ServiceSettings):
    """How the cache forgets."""

    cache_seconds: Annotated[int, Field(ge=1)] = 60
    """How old a cached value may be."""
