"""Metrics: what every worker counted, summed at the scrape, in Prometheus's text format.

A worker counts in its own memory and leaves a copy in a folder that all share, once a second.
Whichever worker is scraped adds the copies up. A worker that dies leaves its last copy behind,
so that no counter ever falls; at most its last second is lost. What is served is not counted
but read off the host: every worker follows the same registry.
"""

import atexit
import json
import logging
import os
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from service.host import Host
from service.snapshot import Loaded
from service.wire import ROUTE, Environ

log = logging.getLogger("service.metrics")

# Seconds: the fast path takes tens of microseconds, a large body tens of milliseconds.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
FLUSH_SECONDS = 1.0

Labels = tuple[str, ...]
Key = tuple[str, Labels]  # a series: its name, and the values of its labels

COUNTED = {
    "calories_requests_total": ("requests by route and status", ("route", "status")),
    "calories_request_seconds": ("seconds from the whole body to the answer", ("route",)),
    "calories_rows_total": ("rows answered", ("model", "version", "label")),
}


class Metrics:
    """Counts in this process; `folder` is shared with the other workers, None for no others."""

    def __init__(self, host: Host, folder: Path | None = None) -> None:
        self._host = host
        self._own = folder and folder / f"{os.getpid()}-{time.time_ns()}.json"
        self._counts: Counter[Key] = Counter()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, status: int, seconds: float) -> None:
        """Count one request."""
        route = environ.get(ROUTE, "none")
        bucket = bisect_left(BUCKETS, seconds)
        with self._lock:
            self._counts["calories_requests_total", (route, str(status))] += 1
            self._counts["calories_request_seconds", (route, str(bucket))] += 1
            self._counts["calories_request_seconds_sum", (route,)] += seconds  # type: ignore[assignment]

    def predicted(self, source: Loaded, rows: int) -> None:
        """Count the rows that a version answered, and for which label's share."""
        key = (source.model, str(source.version), source.label)
        with self._lock:
            self._counts["calories_rows_total", key] += rows

    def follow(self) -> None:
        """Leave a copy of the counts in the folder every second, and at the end."""
        if self._own is None:
            return

        def run() -> None:
            while True:
                time.sleep(FLUSH_SECONDS)
                self.flush()

        threading.Thread(target=run, name="flush-metrics", daemon=True).start()
        atexit.register(self.flush)

    def flush(self) -> None:
        """Replace this worker's copy by one rename; a disk that fails costs counts, no request."""
        if self._own is None:
            return
        draft = self._own.with_suffix(".draft")
        try:
            draft.write_text(json.dumps([[*key, n] for key, n in self._copy().items()]))
            draft.rename(self._own)
        except OSError as error:
            log.warning("The metrics cannot be kept: %s", error)

    def text(self) -> bytes:
        """All workers' counts and what is served, for a scrape."""
        self.flush()
        lines = [*_counted(self._sum()), *_served(self._host)]
        return ("\n".join(lines) + "\n").encode()

    def _copy(self) -> Counter[Key]:
        with self._lock:
            return self._counts.copy()

    def _sum(self) -> Counter[Key]:
        if self._own is None:
            return self._copy()
        total: Counter[Key] = Counter()
        for path in self._own.parent.glob("*.json"):
            for name, labels, count in json.loads(path.read_bytes()):
                total[name, tuple(labels)] += count
        return total


def _counted(counts: Mapping[Key, float]) -> Iterator[str]:
    for name, (help_text, labels) in COUNTED.items():
        histogram = name.endswith("_seconds")
        yield f"# HELP {name} {help_text}"
        yield f"# TYPE {name} {'histogram' if histogram else 'counter'}"
        if histogram:
            yield from _histogram(name, counts)
            continue
        for (series, values), count in sorted(counts.items()):
            if series == name:
                yield _line(name, dict(zip(labels, values, strict=True)), count)


def _histogram(name: str, counts: Mapping[Key, float]) -> Iterator[str]:
    """Cumulative buckets, the last of which holds everything."""
    for route in sorted({values[0] for series, values in counts if series == name}):
        seen = 0.0
        for i, bound in enumerate((*map(str, BUCKETS), "+Inf")):
            seen += counts.get((name, (route, str(i))), 0)
            yield _line(f"{name}_bucket", {"route": route, "le": bound}, seen)
        yield _line(f"{name}_sum", {"route": route}, counts.get((f"{name}_sum", (route,)), 0.0))
        yield _line(f"{name}_count", {"route": route}, seen)


def _served(host: Host) -> Iterator[str]:
    """The state of every version, and what each label names."""
    yield "# HELP calories_version_info state of a version, and why it failed"
    yield "# TYPE calories_version_info gauge"
    for model, served in host.snapshot.items():
        for version, (state, reason) in served.versions().items():
            told = {"model": model, "version": str(version), "state": state, "reason": reason}
            yield _line("calories_version_info", told, 1)
    yield "# HELP calories_label_version version that a label names"
    yield "# TYPE calories_label_version gauge"
    for model, served in host.snapshot.items():
        for label, version in served.labels.items():
            yield _line("calories_label_version", {"model": model, "label": label}, version)
    yield "# HELP calories_label_percent share of the requests that a label takes"
    yield "# TYPE calories_label_percent gauge"
    for model, served in host.snapshot.items():
        for label, share in served.shares.items():
            yield _line("calories_label_percent", {"model": model, "label": label}, share.percent)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value:.10g}"


def _escaped(text: str) -> str:
    """A label's value, as the text format quotes it."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
