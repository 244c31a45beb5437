"""Errors as `application/problem+json` (RFC 9457): the one shape in which this service says that something is wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

log = structlog.stdlib.get_logger("problems")


class InvalidField(BaseModel):
    """One reason why a request was refused."""

    pointer: str
    """Where: `/body/name`, `/query/limit`."""
    message: str


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    request_id: str | None = None
    errors: list[InvalidField] | None = None


class Problem(Exception):
    """Raise it anywhere to answer a request with an error.

    Args:
        status: The HTTP status code.
        detail: One sentence for the caller on what went wrong and what to do.
        headers: Headers to send with it.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers


class Unavailable(Problem):
    """A server that this one depends on does not answer; the caller may try again."""

    def __init__(self, what: str) -> None:
        super().__init__(503, f"The {what} does not answer. Try again in a moment.", {"Retry-After": "1"})


def problem_response(
    status: int,
    detail: str | None = None,
    *,
    errors: list[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response that tells of an error."""
    body = ProblemDetails(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        errors=errors,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type="application/problem+json")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {
        "description": "The request cannot be served as it is",
        "model": ProblemDetails,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
    }
}
"""How errors appear in the API's description."""


def install(app: FastAPI) -> None:
    """Turn every error that a request can end in into a problem."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        if error.status >= 500:
            log.warning("request cannot be served", detail=error.detail, cause=repr(error.__cause__))
        return problem_response(error.status, error.detail, headers=error.headers)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        return problem_response(
            error.status_code, None if error.detail == phrase else error.detail, headers=error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            InvalidField(pointer="/" + "/".join(map(str, item["loc"])), message=item["msg"]) for item in error.errors()
        ]
        return problem_response(422, "The request is not valid; `errors` says where.", errors=errors)
