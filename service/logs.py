"""Logs: lines on standard output, JSON for machines and a readable form for a terminal.

The servers' and the libraries' own lines come out in the same form, for all go through the
standard library's logging, which is configured here once for every process.
"""

import sys
from datetime import UTC, datetime
from logging import LogRecord, captureWarnings
from logging.config import dictConfig
from typing import Any

import orjson
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, format_exc_info
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from service.config import Settings

SERVERS = ("gunicorn.error", "gunicorn.access", "_granian", "granian.access")


def configure(settings: Settings) -> None:
    """Let this process log in the form of the settings."""
    dictConfig(configuration(settings))
    captureWarnings(True)


def configuration(settings: Settings) -> dict[str, Any]:
    """What logging.config.dictConfig takes; both servers take it too."""
    render = _json() if as_json(settings) else _console()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": _formatter, "render": render}},
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


def as_json(settings: Settings) -> bool:
    """Whether lines are JSON: as the settings say, else wherever nobody is reading them."""
    if settings.log_format == "auto":
        return not sys.stdout.isatty()
    return settings.log_format == "json"


def _formatter(render: list[Processor]) -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=[_about],
        processors=[ProcessorFormatter.remove_processors_meta, *render],
    )


def _about(_: Any, __: str, line: EventDict) -> EventDict:
    """The line's fields in their order, from the record that logging made."""
    record: LogRecord = line["_record"]
    time = datetime.fromtimestamp(record.created, UTC)
    about = {
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "pid": record.process,
        "message": line.pop("event"),
    }
    return {**about, **getattr(record, "fields", {}), **line}


def _json() -> list[Processor]:
    return [format_exc_info, JSONRenderer(serializer=_dumped)]


def _dumped(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode()


def _console() -> list[Processor]:
    renderer = ConsoleRenderer(
        colors=sys.stdout.isatty(),
        event_key="message",
        timestamp_key="time",
        exception_formatter=plain_traceback,
    )
    return [renderer]
