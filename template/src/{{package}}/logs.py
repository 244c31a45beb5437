"""Logs: one JSON object per line, or readable lines at a terminal, the same for our code and every library."""

import logging
import sys

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .settings import Settings


def configure(settings: Settings) -> None:
    """Send everything that is logged, by structlog or by the standard library, to standard output in one format."""
    readable = settings.log_format == "console" or (settings.log_format == "auto" and sys.stdout.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_terminal_duplicates,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *(
                [structlog.dev.ConsoleRenderer()]
                if readable
                else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(default=str)]
            ),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    # At INFO it lists its own parts at every start.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _drop_terminal_duplicates(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Uvicorn repeats each message with escape codes in an extra field."""
    event.pop("color_message", None)
    return event
