"""The cache in Redis."""

from typing import Self, cast

import structlog
from redis.exceptions import RedisError

from .cache import LOOKUPS
from .redis import connect
from .settings import Settings

log = structlog.stdlib.get_logger("cache")


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
            log.warning("cache delete failed", entry=key, error=repr(error))

    async def check(self) -> None:
        await self._redis.ping()
