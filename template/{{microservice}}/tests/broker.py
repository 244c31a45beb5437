"""A broker for each test: the emptied Redis database of TEST_REDIS_URL, or this process's memory."""

import os

import pytest
from redis import Redis


@pytest.fixture
def broker_settings() -> dict[str, object]:
    """No messages, and no long waits for the next attempt."""
    url = os.environ.get("TEST_REDIS_URL")
    if not url:
        return {"retry_seconds": 0.05}
    with Redis.from_url(url) as redis:
        redis.flushdb()
    return {"retry_seconds": 0.05, "redis_url": url}
