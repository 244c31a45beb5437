"""What browsers are told not to do with our pages, and what we do not let other sites do through our readers."""

from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Problem
from .settings import Settings

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Not no-referrer: browsers would then send forms with an origin of null.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def content_security_policy(settings: Settings) -> str:
    """Everything comes from this service; in development also from Vite, which writes some styles inline."""
    vite = settings.vite_url
    sources = f"'self' {vite}" if vite else "'self'"
    directives = {
        "default-src": "'none'",
        "base-uri": "'none'",
        "connect-src": f"{sources} {vite.replace('http', 'ws', 1)}" if vite else sources,
        "font-src": sources,
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "img-src": sources,
        "script-src": sources,
        "style-src": f"{sources} 'unsafe-inline'" if vite else sources,
    }
    return "; ".join(f"{directive} {value}" for directive, value in directives.items())


class SecurityHeaders:
    """Adds the headers to every answer, whoever gives it."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.headers = HEADERS | {"Content-Security-Policy": content_security_policy(settings)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self.headers)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = "max-age=31536000"
            await send(message)

        await self.app(scope, receive, send_with_headers)


def refuse_other_sites(request: Request) -> None:
    """Let no other site change anything in the name of a reader (CSRF).

    Browsers say where a request comes from; what says nothing is no browser, and nobody's session is in it.

    Raises:
        Problem: 403, when the request comes from another site.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site:
        same = site in {"same-origin", "none"}
    else:
        same = origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not same:
        raise Problem(403, "This request came from another site.")
