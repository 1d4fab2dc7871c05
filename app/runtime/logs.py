"""Log lines: JSON to stdout for the worker, readable text to stderr for commands."""

import logging
import sys
from typing import TextIO

import structlog
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger

REPEAT_SECONDS = 10.0
MOST_MESSAGES = 1_000


class FewRepeats(logging.Filter):
    """Lets each complaint of the Kafka client through once in `REPEAT_SECONDS`.

    Without a broker it has dozens a second, all of them alike.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown_at: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written."""
        if record.levelno < logging.WARNING or not record.name.startswith("aiokafka"):
            return True
        key = (record.name, str(record.msg))
        if 0 <= record.created - self._shown_at.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._shown_at) >= MOST_MESSAGES:
            self._shown_at.clear()
        self._shown_at[key] = record.created
        return True


def leave_out_malformed_requests() -> None:
    """Log nothing of requests that are no HTTP: anybody can send them, and the bytes they show may be a secret."""
    server_logger.addFilter(_is_http)


def _is_http(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def configure_logs(level: str, *, json_lines: bool, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers, once per process."""
    out = stream or (sys.stdout if json_lines else sys.stderr)
    renderer = structlog.processors.JSONRenderer() if json_lines else structlog.dev.ConsoleRenderer(colors=out.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    handler.addFilter(FewRepeats())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
