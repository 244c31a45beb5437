"""Settings of the front end."""

from typing import Annotated

from pydantic import StringConstraints

from .service import ServiceSettings


class FrontendSettings(ServiceSettings):
    """Where the styles and scripts of the pages come from."""

    vite_url: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]+)?$")] | None = None
    """Vite's development server as a browser reaches it; without it, pages use what `npm run build` made."""
