"""What every request gets: an id, a log line, a metric, and an answer even when the code fails."""

import re
import time
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import metrics, redaction
from .lifecycle import Lifecycle
from .problems import problem_response

log = structlog.stdlib.get_logger("access")

# What a caller may choose as a request id; anything else could forge log lines.
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
QUIET = {"/livez", "/readyz", "/metrics"}


class RequestMiddleware:
    """Wraps the whole application, outside of routing and error handling."""

    def __init__(self, app: ASGIApp, lifecycle: Lifecycle) -> None:
        self.app = app
        self.lifecycle = lifecycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        redaction.begin_request(scope)
        request_id = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                if self.lifecycle.draining:
                    # The proxy must not send its next request over a connection that is about to close.
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        with metrics.REQUESTS_IN_FLIGHT.track_inprogress():
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:
                log.exception("request failed", path=scope["path"])
                if status is not None:
                    raise
                await problem_response(500)(scope, receive, send_with_id)
            finally:
                _record(scope, status, time.perf_counter() - started)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex


def _record(scope: Scope, status: int | None, seconds: float) -> None:
    # The route's template and known methods only: a label for each path that a stranger tries would never end.
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if scope["method"] in METHODS else "other"
    # Nothing was answered if the caller hung up first.
    metrics.REQUEST_DURATION.labels(method, route, status or "aborted").observe(seconds)
    write = log.debug if route in QUIET else log.info
    write(
        "request",
        method=scope["method"],
        path=scope["path"],
        route=route,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        client=(scope.get("client") or (None,))[0],
    )
