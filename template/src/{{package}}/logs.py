"""Logs: one JSON object per line, or readable lines at a terminal, the same for all code, and without secrets."""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer, JSONRenderer, format_exc_info
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from .redaction import Redactor
from .settings import Settings

log = structlog.stdlib.get_logger("crash")


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
    redactor = Redactor(settings)
    # Never the variables of a traceback: they hold whatever was at hand.
    rendering: list[Processor] = (
        [format_exc_info, redactor, ConsoleRenderer(exception_formatter=plain_traceback)]
        if readable
        else [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), redactor, JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )
    handler = _Handler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    logging.captureWarnings(True)
    # At INFO it lists its own parts at every start.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _log_crashes(redactor, readable=readable)


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the standard library's name)
        """Say where a line was lost; the standard library would print what it was made of."""
        print(f"a log line cannot be written: {record.pathname}:{record.lineno}", file=sys.stderr)


def _log_crashes(redactor: Redactor, *, readable: bool) -> None:
    """Log what nobody has caught, where Python would print it as it is."""

    def crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("crashed", exc_info=(kind, error, trace))
        if not readable:
            # For whoever has run a command and reads its last lines.
            print(redactor.text("".join(traceback.format_exception_only(error))), end="", file=sys.stderr)

    def thread_crashed(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is not SystemExit:
            log.error("thread crashed", exc_info=failed.exc_value)

    sys.excepthook = crashed
    threading.excepthook = thread_crashed
    sys.unraisablehook = lambda failed: log.error("finalizer failed", exc_info=failed.exc_value)


def _drop_terminal_duplicates(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Uvicorn repeats each message with escape codes in an extra field."""
    event.pop("color_message", None)
    return event
