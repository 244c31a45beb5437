"""Liveness and readiness, for whoever runs the container."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from .lifecycle import Lifecycle

log = structlog.stdlib.get_logger("health")

CHECK_SECONDS = 2


@dataclass(frozen=True)
class Check:
    """A question to something that the service depends on.

    Attributes:
        name: What is asked.
        ask: Returns if it is well, raises anything if it is not.
        required: Whether the service is useless without it.
        vital: Whether its failure means that only a restart can help.
    """

    name: str
    ask: Callable[[], Awaitable[None]]
    required: bool = True
    vital: bool = False


class Liveness(BaseModel):
    """What `/livez` answers."""

    status: Literal["alive", "stuck"]


class Readiness(BaseModel):
    """What `/readyz` answers."""

    status: Literal["ready", "degraded", "unavailable", "draining"]
    checks: dict[str, Literal["ok", "failed"]]


router = APIRouter(tags=["health"])


@router.get("/livez", summary="Is the process alive?", responses={503: {"model": Liveness}})
async def livez(request: Request, response: Response) -> Liveness:
    """Asks only what a restart would cure: it would not bring a lost database back."""
    vital = [check for check in request.state.checks if check.vital]
    if all(await asyncio.gather(*map(_passes, vital))):
        return Liveness(status="alive")
    response.status_code = 503
    return Liveness(status="stuck")


@router.get("/readyz", summary="Can it serve requests now?", responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Asks everything that the service depends on."""
    lifecycle: Lifecycle = request.app.state.lifecycle
    checks: list[Check] = request.state.checks
    healthy = await asyncio.gather(*map(_passes, checks))
    if lifecycle.draining:
        status: Literal["ready", "degraded", "unavailable", "draining"] = "draining"
    elif all(healthy):
        status = "ready"
    elif all(well for check, well in zip(checks, healthy, strict=True) if check.required):
        status = "degraded"
    else:
        status = "unavailable"
    if status in {"draining", "unavailable"}:
        response.status_code = 503
    return Readiness(
        status=status,
        checks={check.name: "ok" if well else "failed" for check, well in zip(checks, healthy, strict=True)},
    )


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check.ask()
    except Exception as error:
        log.warning("check failed", check=check.name, error=repr(error))
        return False
    return True
