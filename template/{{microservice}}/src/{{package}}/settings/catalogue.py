"""Settings of the catalogue, a service that this one calls."""

from typing import Annotated

from pydantic import Field

from .service import ServiceSettings


class CatalogueSettings(ServiceSettings):
    """Where the catalogue is; without it, there are a few articles to try things with."""

    catalogue_url: str | None = None

    catalogue_seconds: Annotated[float, Field(gt=0)] = 5
    """How long a call may take, with all its retries."""
