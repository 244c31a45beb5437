"""Connections to Redis, for whatever uses it."""

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .settings import Settings


def connect(settings: Settings, *, timeout: float, decode_responses: bool = False) -> Redis:
    """A client of the server that REDIS_URL names; it connects when it is first used.

    Args:
        settings: Where Redis is, and the password.
        timeout: Seconds after which a server that does not answer is lost.
        decode_responses: Whether to read text and not bytes.
    """
    password = settings.redis_password
    return Redis.from_url(
        str(settings.redis_url),
        password=password.get_secret_value() if password else None,
        socket_connect_timeout=timeout,
        socket_timeout=timeout,
        # A connection that was kept while the server restarted shows it only when it is used.
        retry=Retry(NoBackoff(), 1, supported_errors=(exceptions.ConnectionError,)),
        decode_responses=decode_responses,
    )
