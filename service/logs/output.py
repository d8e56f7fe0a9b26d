"""Logs: lines on standard output, JSON for machines and a readable form for a terminal.

The server's and the libraries' own lines come out in the same form, for all go through the
standard library's logging, which is configured here once for every process.
"""

import sys
from datetime import UTC, datetime
from logging import Formatter, LogRecord, captureWarnings
from logging.config import dictConfig
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from service.settings import Settings

SERVERS = ("gunicorn.error", "gunicorn.access")


def configure(settings: "Settings") -> None:
    """Let this process log in the form of the settings."""
    dictConfig(configuration(settings))
    captureWarnings(True)


def configuration(settings: "Settings") -> dict[str, Any]:
    """What logging.config.dictConfig takes, and gunicorn too."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": JsonLines if as_json(settings) else _console}},
        "handlers": {
            "stdout": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stdout",
                "formatter": "line",
            }
        },
        "root": {"level": settings.log_level.upper(), "handlers": ["stdout"]},
        "loggers": {name: {"handlers": [], "propagate": True} for name in SERVERS},
    }


def as_json(settings: "Settings") -> bool:
    """Whether lines are JSON: as the settings say, else wherever nobody is reading them."""
    if settings.log_format == "auto":
        return not sys.stdout.isatty()
    return settings.log_format == "json"


class JsonLines(Formatter):
    """One JSON object a line."""

    def format(self, record: LogRecord) -> str:
        """The record's fields, and the traceback of an exception under `exception`."""
        line = _fields(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _fields(record: LogRecord) -> dict[str, Any]:
    """What a line tells, in its order."""
    time = datetime.fromtimestamp(record.created, UTC)
    return {
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "pid": record.process,
        "message": record.getMessage(),
        **getattr(record, "fields", {}),
    }


def _console() -> Formatter:
    """Lines for people; structlog takes 8 MB, so only a terminal pays for it."""
    from structlog.dev import ConsoleRenderer, plain_traceback  # noqa: PLC0415
    from structlog.stdlib import ProcessorFormatter  # noqa: PLC0415

    render = ConsoleRenderer(
        colors=sys.stdout.isatty(),
        event_key="message",
        timestamp_key="time",
        exception_formatter=plain_traceback,
    )

    def about(_: Any, __: str, line: Any) -> Any:
        return {**_fields(line["_record"]), **{k: v for k, v in line.items() if k != "event"}}

    return ProcessorFormatter(
        foreign_pre_chain=[about],
        processors=[ProcessorFormatter.remove_processors_meta, render],
    )
