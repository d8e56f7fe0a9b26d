"""Events: what happens to the service, each a log line with a name, a sentence and fields.

Told through the standard library's logging, so that whoever uses a part of the service alone (the
batch job, a test) needs no more; logs.py makes lines of them. docs/logs.md lists them.
"""

from logging import ERROR, INFO, WARNING, Logger
from string import Formatter
from typing import Any, NamedTuple


class Event(NamedTuple):
    """`sentence` is for str.format; the names in its braces and those in `more` are the fields."""

    name: str
    level: int
    sentence: str
    more: tuple[str, ...] = ()
    traceback: bool = False  # of the exception that is being handled

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, in the order of the line."""
        named = [name for _, name, _, _ in Formatter().parse(self.sentence) if name]
        return (*named, *self.more)


STARTING = Event("starting", INFO, "Release {release} starts.", ("settings",))
LISTENING = Event("listening", INFO, "Listening at {url} with {workers} workers.")
WORKER_STARTED = Event("worker_started", INFO, "Worker {worker} answers.")
WORKER_LOST = Event("worker_lost", ERROR, "Worker {worker} was lost; another takes its place.")
SERVING = Event("serving", INFO, "Serving at {url}.", ("models",))
VERSION_LOADED = Event(
    "version_loaded", INFO, "{model} version {version} is loaded ({engine}).", ("seconds",)
)
VERSION_REFUSED = Event(
    "version_refused", ERROR, "{model} version {version} is not served: {reason}"
)
VERSION_DROPPED = Event("version_dropped", INFO, "{model} version {version} is served no more.")
LABEL_MOVED = Event(
    "label_moved", INFO, "'{label}' of {model} is at version {version}.", ("before",)
)
LABEL_REMOVED = Event(
    "label_removed", INFO, "{model} has no label '{label}' any more.", ("before",)
)
DRAINING = Event(
    "draining", INFO, "Told to stop: not ready any more, and stopping in {seconds:g} s."
)
STOPPED = Event("stopped", INFO, "The service has stopped.")
REQUEST = Event(
    "request",
    INFO,
    "{method} {route} {status}",
    (
        *("request_id", "dialect", "path", "rows", "milliseconds", "model", "version", "bytes"),
        *("key", "refusal", "trace_id", "parent_id"),
    ),
)
REQUEST_FAILED = Event(
    "request_failed", ERROR, "Request {request_id} failed.", ("trace_id",), traceback=True
)
INVALID_REQUEST = Event(
    "invalid_request", WARNING, "Invalid request from {client}: {reason}", ("left_out",)
)
NOT_LET_IN = Event(
    "not_let_in", WARNING, "No connection can be let in for now: {reason}.", ("left_out",)
)
PART_FAILED = Event(
    "part_failed", ERROR, "{part} failed, and goes on: {reason}", (), traceback=True
)

EVENTS = tuple(each for each in vars().values() if isinstance(each, Event))


def tell(log: Logger, event: Event, **fields: Any) -> None:
    """Log an event; its fields come along for whoever makes more than a sentence of it."""
    if log.isEnabledFor(event.level):
        sentence = event.sentence.format_map(fields)
        extra = {"fields": {"event": event.name, **fields}}
        log.log(event.level, "%s", sentence, exc_info=event.traceback, extra=extra)
