"""Settings that every service has."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")


class ServiceSettings(BaseSettings):
    """Read in this order: the environment, `.env`, one file per setting in `/run/secrets`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Serve `/metrics` here and not beside the API."""

    data_dir: Path = Path(".data")
    """What the service keeps for itself when no server is named for it."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` is for people at a terminal and JSON everywhere else."""

    drain_seconds: Annotated[float, Field(ge=0)] = 0
    """How long to go on answering after SIGTERM, while `/readyz` tells load balancers to go elsewhere."""

    shutdown_seconds: Annotated[int, Field(ge=1)] = 20
    """How long requests in flight may take to finish after that."""

    otel_exporter_otlp_endpoint: str | None = None
    """Where traces go; without it there is no tracing. OpenTelemetry reads its other OTEL_* variables itself."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value
