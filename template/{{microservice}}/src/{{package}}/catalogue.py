"""The catalogue: a service that knows what articles cost, or three articles where CATALOGUE_URL names none."""

from typing import Protocol, Self
from urllib.parse import quote

from pydantic import BaseModel

from .client import Refused, ServiceClient
from .settings import Settings


class Article(BaseModel):
    """What the catalogue says of an article."""

    price_cents: int


class Catalogue(Protocol):
    """What may be ordered."""

    async def article(self, name: str) -> Article | None:
        """One article, or None if there is none.

        Raises:
            Unavailable: The catalogue does not answer.
        """
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_: object) -> None: ...


def open_catalogue(settings: Settings) -> Catalogue:
    """The catalogue that the settings name."""
    return RemoteCatalogue(settings) if settings.catalogue_url else BundledCatalogue()


class BundledCatalogue:
    """A few articles to try things with."""

    ARTICLES = {  # noqa: RUF012  (nobody changes it)
        "anchor": Article(price_cents=14_900),
        "lantern": Article(price_cents=3_950),
        "rope": Article(price_cents=1_200),
    }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def article(self, name: str) -> Article | None:
        return self.ARTICLES.get(name)


class RemoteCatalogue:
    """Another service with GET /articles/{name}."""

    def __init__(self, settings: Settings) -> None:
        self._client = ServiceClient("catalogue", str(settings.catalogue_url), settings.catalogue_seconds)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.__aexit__(*exception)

    async def article(self, name: str) -> Article | None:
        try:
            return await self._client.call("GET", f"/articles/{quote(name, safe='')}", Article)
        except Refused as error:
            if error.status == 404:
                return None
            raise
