"""Settings of Redis."""

from pydantic import SecretStr

from .service import ServiceSettings


class RedisSettings(ServiceSettings):
    """Where Redis is; without it, what replicas would share is in each process's own memory."""

    redis_url: str | None = None
    redis_password: SecretStr | None = None
