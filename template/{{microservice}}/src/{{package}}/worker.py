"""The worker: handles messages, and answers HTTP requests for nothing but its health and metrics."""

from fastapi import APIRouter, FastAPI

from .app import create_app
from .components import worker_lifespan
from .lifecycle import Lifecycle
from .server import reloaded_application
from .settings import Settings


def create_worker(settings: Settings | None = None, lifecycle: Lifecycle | None = None) -> FastAPI:
    """Make the worker; the arguments are those of `create_app`."""
    return create_app(settings, lifecycle, router=APIRouter(), lifespan=worker_lifespan)


def reloaded_worker() -> FastAPI:
    """The worker in a process that is started anew after each edit."""
    return reloaded_application(create_worker)
