"""Watchers: told of each request with what it came to. Without one, none of this runs."""

import threading
from collections.abc import Callable, Sequence
from time import perf_counter

from service.gate.wire import Environ
from service.logs.survivor import Survivor
from service.observe.metrics import Metrics
from service.serving.dataplane import Prediction, Recorder
from service.serving.engines import Rows
from service.serving.loaded import Loaded


class Outcome:
    """What a request came to: the version it chose, its rows and their answers, if it got so far.

    `asked` and `answered` are when the rows went in and the answers came out, by perf_counter.
    """

    source: Loaded | None = None
    rows: Rows | None = None
    found: Prediction | None = None
    asked: float = 0.0
    answered: float = 0.0


Watcher = Callable[[Environ, int, float, Outcome], None]  # with the status and the seconds


class _Here(threading.local):
    """The outcome of the request that this thread is answering."""

    def __init__(self) -> None:
        self.outcome = Outcome()


class Watched(Recorder):
    """Stands in for the metrics: tells them what they are told, and the watchers in the end."""

    def __init__(self, metrics: Metrics, watchers: Sequence[Watcher]) -> None:
        self._metrics = metrics
        self._watchers = watchers
        self._survivor = Survivor("observers")
        self._here = _Here()

    def chose(self, source: Loaded) -> None:
        """Note the version."""
        self._metrics.chose(source)
        self._here.outcome.source = source

    def asked(self) -> None:
        """Note the time."""
        self._here.outcome.asked = perf_counter()

    def answered(self, rows: Rows, found: Prediction) -> None:
        """Note the rows and their answers."""
        self._metrics.answered(rows, found)
        outcome = self._here.outcome
        outcome.rows, outcome.found, outcome.answered = rows, found, perf_counter()

    def __call__(self, environ: Environ, status: int, seconds: float) -> None:
        """Tell of one request."""
        here = self._here
        outcome, here.outcome = here.outcome, Outcome()
        self._survivor.run(self._metrics, environ, status, seconds)
        for watcher in self._watchers:
            self._survivor.run(watcher, environ, status, seconds, outcome)
