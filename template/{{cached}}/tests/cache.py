"""A cache for each test: the emptied Redis database of TEST_REDIS_URL, or this process's memory."""

import os

import pytest
from redis import Redis


@pytest.fixture
def cache_settings() -> dict[str, str]:
    """An empty cache."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        return {}
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return {"redis_url": url}
