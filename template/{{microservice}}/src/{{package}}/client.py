"""Calling other services: every wait has an end, and only what may be repeated is repeated."""

import asyncio
import time
from typing import Self, TypeVar

import httpx2
import structlog
from opentelemetry import propagate, trace
from prometheus_client import Histogram
from pydantic import BaseModel

from .backoff import backoff
from .problems import Unavailable

log = structlog.stdlib.get_logger("client")
tracer = trace.get_tracer(__name__)

DURATION = Histogram(
    "http_client_request_duration_seconds",
    "Time until another service answered, by each attempt.",
    ["service", "method", "status"],
)

ATTEMPTS = 3
FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 2
CONNECT_SECONDS = 1
IDEMPOTENT = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}
# What a server or a proxy says that may answer better in a moment.
PASSING = {429, 502, 503, 504}

Answer = TypeVar("Answer", bound=BaseModel)


class Refused(Exception):
    """Another service has answered, but not with what was asked for.

    Args:
        service: Its name.
        status: The HTTP status code.
    """

    def __init__(self, service: str, status: int) -> None:
        super().__init__(f"The {service} answered with {status}.")
        self.status = status


class ServiceClient:
    """Another service, for as long as the context is open.

    Args:
        service: What it is called in logs, metrics and errors.
        url: Where it is.
        seconds: How long a call may take, with all its retries.
    """

    def __init__(self, service: str, url: str, seconds: float) -> None:
        self._service = service
        self._seconds = seconds
        self._http = httpx2.AsyncClient(base_url=url, timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        answer: type[Answer],
        *,
        body: BaseModel | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Ask for something, up to three times if asking twice does no harm.

        Args:
            method: The HTTP method.
            path: Relative to the service's URL.
            answer: The model of the answer.
            body: What to send, as JSON.
            idempotency_key: By which the service knows a repetition; makes every method one that may be repeated.

        Raises:
            Unavailable: It does not answer, or not in time.
            Refused: It answers with an error that would stay the same.
            ValidationError: Its answer is not what it should be.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = self._http.build_request(
            method, path, headers=headers, content=body.model_dump_json() if body is not None else None
        )
        attempts = ATTEMPTS if method in IDEMPOTENT or idempotency_key else 1
        try:
            async with asyncio.timeout(self._seconds):
                response = await self._repeat(request, attempts)
        except (TimeoutError, httpx2.TransportError) as error:
            raise Unavailable(self._service) from error
        if response.status_code in PASSING:
            raise Unavailable(self._service)
        if not response.is_success:
            raise Refused(self._service, response.status_code)
        return answer.model_validate_json(response.content)

    async def _repeat(self, request: httpx2.Request, attempts: int) -> httpx2.Response:
        for attempt in range(1, attempts):
            wait = backoff(attempt, FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
            try:
                response = await self._send(request)
            except httpx2.TransportError as error:
                reason = repr(error)
            else:
                if response.status_code not in PASSING:
                    return response
                reason = f"status {response.status_code}"
                # It knows best, but is not waited for longer than the whole call may take.
                wait = max(wait, _retry_after(response))
            log.warning("calling again", service=self._service, attempt=attempt, reason=reason)
            await asyncio.sleep(wait)
        return await self._send(request)

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        started = time.perf_counter()
        status = "none"
        with tracer.start_as_current_span(f"{request.method} {self._service}", kind=trace.SpanKind.CLIENT):
            propagate.inject(request.headers)
            request_id = structlog.contextvars.get_contextvars().get("request_id")
            if request_id:
                request.headers["X-Request-ID"] = request_id
            try:
                response = await self._http.send(request)
                status = str(response.status_code)
            finally:
                seconds = time.perf_counter() - started
                DURATION.labels(self._service, request.method, status).observe(seconds)
        return response


def _retry_after(response: httpx2.Response) -> float:
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isdecimal() else 0
