"""Structured logs on standard error: for people, or one JSON object a line."""

from __future__ import annotations

import logging
import sys

import structlog

from cxstream.service.config import ServerConfig


def configure_logs(config: ServerConfig) -> None:
    """Set up structlog for this process."""
    renderer: structlog.types.Processor
    if config.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default shows local variables, and with them responses.
            exception_formatter=structlog.dev.plain_traceback,
        )
    processors: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if config.log_format == "json":
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[config.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
