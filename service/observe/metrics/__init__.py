"""Metrics: what every worker counted, summed at the scrape, for Prometheus.

A request leaves one record, and records are counted many at a time, in NumPy. Once a second a
worker replaces its copy of the counts in a folder that all share; whichever is scraped adds the
copies up. A worker that dies leaves its last copy to the worker after it (slots.py), so that no
counter ever falls; at most its last second is lost. What versions counted that are served no more
is forgotten (retention.py). What is served is not counted but read off the host: every worker
follows the same registry.
"""

import atexit
import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from service.exchange import Exchange
from service.logs.survivor import Survivor, survived
from service.observe.metrics.exposition import Exposition
from service.observe.metrics.families import key
from service.observe.metrics.record import Record, count
from service.observe.metrics.retention import Retention
from service.observe.metrics.slots import Slot, living, tallies
from service.observe.metrics.tally import SeriesKey, Tally
from service.serving.host import Host, Load

log = logging.getLogger("service.metrics")

FLUSH_SECONDS = 1.0
MOST_RECORDS = 1024  # that wait to be counted ...
MOST_CELLS = 1 << 16  # ... with so many inputs of rows


T = TypeVar("T")


class Metrics:
    """Counts in this process; `folder` is shared with the other workers, None for no others.

    `loads` is what the host has loaded and nobody has counted yet: whoever counts them takes them.
    """

    def __init__(
        self,
        host: Host,
        folder: Path | None = None,
        loads: deque[Load] | None = None,
    ) -> None:
        self._host = host
        self._loads = host.loads if loads is None else loads
        self._folder = folder
        self._records: deque[Record] = deque()  # appended to without a lock
        self._notes: deque[tuple[SeriesKey, float]] = deque()
        self._waiting = 0  # cells; a rough figure, for no lock is taken to add to it
        self._survivor = Survivor("metrics")
        self._survived: Counter[str] = Counter()  # what is counted already, by part
        self._lock = threading.Lock()
        self._slot = _slot(folder)
        self._tally = self._read(self._slot.file) if self._slot else Tally()
        self._retention = Retention(time.monotonic())
        self._processor = 0.0  # seconds that are counted already

    def __call__(self, exchange: Exchange) -> None:
        """Record one request."""
        source, found, response = exchange.source, exchange.prediction, exchange.response
        about = (
            exchange.operation,
            exchange.dialect,
            exchange.refusal,
            response.status if response else 0,
            source.chosen if source else None,
        )
        if found:
            rows, answers = found.rows.tobytes(), found.columns[0].tobytes()
            self._waiting += found.rows.size
        else:
            rows = answers = b""
        self._records.append((about, exchange.seconds, rows, answers))
        if len(self._records) >= MOST_RECORDS or self._waiting >= MOST_CELLS:
            self._drain()

    def note(self, key: SeriesKey, number: float) -> None:
        """Count something else; never waits."""
        self._notes.append((key, number))

    def follow(self) -> None:
        """Leave a copy of the counts in the folder every second, and at the end."""

        def pause() -> bool:
            time.sleep(FLUSH_SECONDS)
            return True

        self.flush()
        self._survivor.follow(self.flush, pause)
        atexit.register(self.flush)

    def flush(self) -> None:
        """Replace this worker's copy; whatever fails costs counts, no request."""
        for step in (self._drain, self._forget, self._write):
            self._survivor.run(step)

    def _write(self) -> None:
        if self._slot:
            with self._lock:
                self._tally.write(self._slot.file)

    def scrape(self, accept: str = "") -> tuple[bytes, str]:
        """All workers' counts and what is served, and the content type of their text."""
        self.flush()
        total = self._sum()
        total.keep(partial(self._retention.tells, now=time.monotonic()))
        found = Exposition(total, self._host.models, self._workers(), self._survivor)
        return found.encoded(accept)

    def _drain(self) -> None:
        """Count what waits: the requests, the loads, what was survived, the processor's time."""
        with self._lock:
            self._waiting = 0
            count(self._tally, _all_of(self._records), self._survivor)
            for load in _all_of(self._loads):
                outcome = "loaded" if load.good else "failed"
                self._tally.add(key("calories_loads_total", load.model, outcome))
                seconds = key("calories_load_seconds", load.model)
                self._tally.observe([seconds], np.array([[load.seconds]]))
            for each, number in _all_of(self._notes):
                self._tally.add(each, number)
            for part, times in tuple(survived.items()):
                more = times - self._survived[part]
                self._tally.add(key("calories_part_failures_total", part), more)
                self._survived[part] = times
            used = time.process_time()
            slot = str(self._slot.number if self._slot else 0)
            self._tally.add(key("process_cpu_seconds_total", slot), used - self._processor)
            self._processor = used

    def _forget(self) -> None:
        """Let go of the counts of versions that are served no more."""
        now = time.monotonic()
        with self._lock:
            self._retention.see(self._host.models, now)
            self._tally.keep(partial(self._retention.keeps, now=now))

    def _sum(self) -> Tally:
        total = Tally()
        if self._folder is None or self._slot is None:
            with self._lock:
                total.update(self._tally)
        else:
            for path in tallies(self._folder):
                total.update(self._read(path))
        return total

    def _read(self, path: Path) -> Tally:
        """What a file holds; nothing when it is no tally, for others may have written it."""
        return self._survivor.run(Tally.read, path) or Tally()

    def _workers(self) -> Mapping[int, int]:
        """The pids of the workers that live, by slot."""
        alone = {self._slot.number if self._slot else 0: os.getpid()}
        if self._folder and self._slot:
            return self._survivor.run(living, self._folder) or alone
        return alone


def _slot(folder: Path | None) -> Slot | None:
    try:
        return Slot(folder) if folder else None
    except OSError as error:
        log.warning("The metrics are this worker's own, for they cannot be shared: %s", error)
        return None


def _all_of(waiting: deque[T]) -> list[T]:
    """Take out what waits now; others may append meanwhile."""
    return [waiting.popleft() for _ in range(len(waiting))]
