"""Pages: templates rendered on the server, for readers with a browser."""

import json
from pathlib import Path
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import assets
from .assets import create_assets
from .negotiation import quality
from .security import SecurityHeaders
from .settings import Settings

log = structlog.stdlib.get_logger("pages")

TEMPLATES = Path(__file__).parent / "templates"


def install(app: FastAPI, settings: Settings) -> None:
    """Let the application answer with pages, and with pages also where something is wrong."""
    app.state.assets = create_assets(settings)
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {"app": app, "assets": app.state.assets}
    app.state.templates = Jinja2Templates(env=environment)
    app.include_router(assets.router)
    app.add_middleware(ErrorPages)
    app.add_middleware(SecurityHeaders, settings=settings)


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """The response that shows a template."""
    templates: Jinja2Templates = request.app.state.templates
    return templates.TemplateResponse(
        request, template, context, status_code=status, headers={"Cache-Control": "no-cache"}
    )


class ErrorPages:
    """Shows problems as pages to those who would rather read HTML than JSON.

    It stands outside of everything that can fail, so that each error has one shape within the service.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        accept = Headers(scope=scope).get("accept", "")
        wants_page = quality(accept, "text/html") > quality(accept, "application/json")
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type") == "application/problem+json":
                    headers.add_vary_header("Accept")
                    if wants_page:
                        start = message
                        return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                await self._show(Request(scope), start, body, send)

        await self.app(scope, receive, send_page)

    async def _show(self, request: Request, start: Message, body: bytes, send: Send) -> None:
        try:
            shown = page(request, "error.html", status=start["status"], problem=json.loads(body))
        except Exception:
            # The error itself must be told, even when what breaks the pages broke this one too.
            log.exception("error page failed")
        else:
            MutableHeaders(scope=start).update(shown.headers)
            body = bytes(shown.body)
        await send(start)
        await send({"type": "http.response.body", "body": body})
