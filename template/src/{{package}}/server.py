"""The HTTP server: starts the application, and stops it without failing a request."""

import contextlib
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from . import logs
from .app import create_app
from .lifecycle import Lifecycle
from .settings import Settings

# Longer than a proxy keeps an idle connection, so that the proxy and never this end closes it.
KEEP_ALIVE_SECONDS = 75


class Server(uvicorn.Server):
    """Uvicorn, with a pause between SIGTERM and the last accepted connection.

    A load balancer needs some seconds to learn from `/readyz` that a replica is going. Until then requests still come,
    and are answered.
    """

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle, drain_seconds: float) -> None:
        super().__init__(config)
        self.lifecycle = lifecycle
        self.drain_seconds = drain_seconds
        self.stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self.drain_seconds and not self.lifecycle.draining:
            self.lifecycle.draining = True
            self.stop_at = time.monotonic() + self.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self.stop_at is not None and time.monotonic() >= self.stop_at:
            self.should_exit = True
        return await super().on_tick(counter)


def serve(
    settings: Settings,
    create: Callable[[Settings, Lifecycle], FastAPI] = create_app,
    *,
    reload: Callable[[], FastAPI] | None = None,
) -> None:
    """Answer requests until SIGTERM or Ctrl-C.

    Args:
        settings: Those of the service.
        create: Makes the application.
        reload: Makes it in a process that is started anew after each edit.
    """
    if settings.metrics_port and not reload:
        from prometheus_client import start_http_server

        start_http_server(settings.metrics_port, settings.host)

    lifecycle = Lifecycle()

    def application() -> FastAPI:
        return create(settings, lifecycle)

    config = uvicorn.Config(
        f"{reload.__module__}:{reload.__name__}" if reload else application,
        factory=True,
        host=settings.host,
        port=settings.port,
        reload=reload is not None,
        reload_dirs=[str(Path(__file__).parent)] if reload else None,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    if reload:
        from uvicorn.supervisors import ChangeReload

        socket = config.bind_socket()
        ChangeReload(config, target=uvicorn.Server(config).run, sockets=[socket]).run()
    else:
        # Uvicorn repeats the Ctrl-C that it has already obeyed.
        with contextlib.suppress(KeyboardInterrupt):
            Server(config, lifecycle, settings.drain_seconds).run()


def reloaded_application(create: Callable[[Settings], FastAPI] = create_app) -> FastAPI:
    """The application in a process that is started anew after each edit."""
    settings = Settings()
    logs.configure(settings)
    return create(settings)
