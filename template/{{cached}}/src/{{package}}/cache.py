"""The cache: Redis where REDIS_URL names one, this process's memory where it does not."""

from typing import Protocol, Self

from cachetools import TTLCache
from prometheus_client import Counter

from .settings import Settings

LOOKUPS = Counter("cache_lookups_total", "Reads of the cache: hit, miss, or error if Redis was lost.", ["result"])

IN_PROCESS_ENTRIES = 10_000


class Cache(Protocol):
    """Values that may be forgotten at any time, and are after CACHE_SECONDS."""

    async def get(self, key: str) -> bytes | None: ...

    async def set(self, key: str, value: bytes) -> None: ...

    async def delete(self, key: str) -> None: ...

    async def check(self) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


def create_cache(settings: Settings) -> Cache:
    """The cache that the settings ask for."""
    if not settings.redis_url:
        return MemoryCache(settings)
    # Its client is slow to import, which is for nothing where there is no server.
    from .redis_cache import RedisCache

    return RedisCache(settings)


class MemoryCache:
    """A cache for one process."""

    def __init__(self, settings: Settings) -> None:
        self._entries: TTLCache[str, bytes] = TTLCache(IN_PROCESS_ENTRIES, settings.cache_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._entries.clear()

    async def get(self, key: str) -> bytes | None:
        value = self._entries.get(key)
        LOOKUPS.labels("miss" if value is None else "hit").inc()
        return value

    async def set(self, key: str, value: bytes) -> None:
        self._entries[key] = value

    async def delete(self, key: str) -> None:
        self._entries.pop(key, None)

    async def check(self) -> None:
        return
