"""The cache: Redis where REDIS_URL names one, this process's memory where it does not."""

from typing import Protocol, Self, cast

import structlog
from cachetools import TTLCache
from prometheus_client import Counter
from redis.exceptions import RedisError

from .redis import connect
from .settings import Settings

log = structlog.stdlib.get_logger("cache")

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
    return RedisCache(settings) if settings.redis_url else MemoryCache(settings)


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


class RedisCache:
    """A cache that all replicas share. When Redis does not answer, everything is a miss and the service goes on."""

    def __init__(self, settings: Settings) -> None:
        self._seconds = settings.cache_seconds
        self._redis = connect(settings, timeout=0.5)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._redis.aclose()

    async def get(self, key: str) -> bytes | None:
        try:
            value = cast("bytes | None", await self._redis.get(key))
        except (RedisError, OSError) as error:
            LOOKUPS.labels("error").inc()
            log.warning("cache read failed", error=repr(error))
            return None
        LOOKUPS.labels("miss" if value is None else "hit").inc()
        return value

    async def set(self, key: str, value: bytes) -> None:
        try:
            await self._redis.set(key, value, ex=self._seconds)
        except (RedisError, OSError) as error:
            log.warning("cache write failed", error=repr(error))

    async def delete(self, key: str) -> None:
        try:
            await self._redis.delete(key)
        except (RedisError, OSError) as error:
            # Other replicas may read the old value until it expires.
            log.warning("cache delete failed", key=key, error=repr(error))

    async def check(self) -> None:
        await self._redis.ping()
