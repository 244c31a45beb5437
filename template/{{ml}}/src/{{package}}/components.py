"""What the service is made of: opened when it starts, handed to each request, closed when it stops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

import structlog
from fastapi import FastAPI

from .health import Check
from .models.serving import Models

log = structlog.stdlib.get_logger("components")


class State(TypedDict):
    """What a request finds in `request.state`."""

    models: Models
    checks: list[Check]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open everything, serve, close everything."""
    async with AsyncExitStack() as stack:
        stack.callback(log.info, "everything is closed", service=app.title)
        models = await stack.enter_async_context(Models(app.state.settings))
        yield {"models": models, "checks": [Check("model", models.check)]}
