"""The ratios to reach: a name, a formula over the results, a bound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.bodies import ONE, Body
from benchmarks.results import NotMeasured, Results
from benchmarks.subjects import (
    BARE,
    BARE_FLASK,
    FASTAPI_LITERT,
    FLASK_SAVED_MODEL,
    GUNICORN,
    LIBRARIES,
    SERVICE,
    Subject,
)

MEGABYTE = 1e6
BUSY = 16  # connections
ROWS, COLUMNS = Body("rows", 1000), Body("columns", 1000)
LARGE, LARGEST = Body("columns", 10_000), Body("columns", 100_000)

Formula = Callable[[Results], float]


@dataclass(frozen=True)
class Target:
    """What to reach; `bound` is the most or the least that `value` may be."""

    name: str
    value: Formula
    at: Literal["most", "least"]
    bound: float
    unit: str

    def found(self, results: Results) -> float | None:
        """The figure, or None when the run does not have it."""
        try:
            return self.value(results)
        except NotMeasured:
            return None

    def met(self, found: float) -> bool:
        """Whether a figure is within the bound."""
        return found <= self.bound if self.at == "most" else found >= self.bound


def _cost(subject: Subject, other: Subject) -> Formula:
    """Processor time a request of one row: how many times the other's."""
    return lambda r: r.processor(subject, ONE, BUSY) / r.processor(other, ONE, BUSY)


def _speed(body: Body) -> Formula:
    """Rows a second: how many times those of FastAPI + LiteRT, which takes row objects."""
    return lambda r: (
        r.rows_a_second(SERVICE, body, BUSY) / r.rows_a_second(FASTAPI_LITERT, ROWS, BUSY)
    )


def _spread(subject: Subject) -> Formula:
    """The p99 of one row, in times its p50."""

    def spread(results: Results) -> float:
        found = results.sample(subject, ONE, BUSY)
        return found.p99 / found.p50

    return spread


def _start(subject: Subject, other: Subject) -> Formula:
    """Seconds to the first answer: how many times the other's."""
    return lambda r: r.start(subject) / r.start(other)


def _falling(results: Results) -> float:
    """Processor time a row: that of 10,000 rows a request over that of 100,000."""
    a_row = [results.processor(SERVICE, body, 1) / body.count for body in (LARGE, LARGEST)]
    return a_row[0] / a_row[1]


def _disk(results: Results) -> float:
    return results.machine.service_bytes / MEGABYTE


def _busier(count: int) -> Formula:
    """Of so many kept connections, those of the worker that has most, in percent."""
    return lambda r: r.crowd.busier[count] * 100


def _most(bound: float, name: str, value: Formula, unit: str = "times") -> Target:
    return Target(name, value, "most", bound, unit)


def _least(bound: float, name: str, value: Formula) -> Target:
    return Target(name, value, "least", bound, "times")


GROWTH = _most(2.0, "What a worker grows in the soak", lambda r: r.soak.growth, "MB")

TARGETS = (
    _most(5.0, "One row, over the bare protocol's constant", _cost(SERVICE, BARE)),
    _most(1.3, "One row, over the bare libraries on that protocol", _cost(SERVICE, LIBRARIES)),
    _most(0.21, "One row, over gunicorn's constant", _cost(SERVICE, GUNICORN)),
    _least(8.5, "FastAPI + LiteRT, over one row", _cost(FASTAPI_LITERT, SERVICE)),
    _least(25.0, "Flask + SavedModel, over one row", _cost(FLASK_SAVED_MODEL, SERVICE)),
    _most(1.5, "One row's p99, over its p50", _spread(SERVICE)),
    _most(1.5, "The same of the bare protocol's constant", _spread(BARE)),
    _least(8.0, "Rows a second, 1,000 as rows, over FastAPI + LiteRT", _speed(ROWS)),
    _least(20.0, "Rows a second, 1,000 as columns, over FastAPI + LiteRT", _speed(COLUMNS)),
    _most(0, "1,000 connections at once: answers other than 200", lambda r: r.crowd.refused, ""),
    _most(1.5, "... the last client's first answer", lambda r: r.crowd.last_first, "s"),
    _least(0.5, "... the slowest client's requests, of the median's", lambda r: r.crowd.slowest),
    _most(4.0, "One row's p99 beside 1,000 rows, over alone", lambda r: r.crowd.beside_batches),
    _most(1.5, "One row's p99 beside 1,000 slow clients", lambda r: r.crowd.beside_slow),
    _most(60.0, "Share of the busier of two workers, 64 clients", _busier(64), "%"),
    _most(55.0, "Share of the busier of two workers, 1,000 clients", _busier(1_000), "%"),
    _least(1.0, "Cost a row of 10,000 rows, over that of 100,000", _falling),
    GROWTH,
    _most(1.6, "Start, over bare Flask's", _start(SERVICE, BARE_FLASK)),
    _least(8.0, "Start of Flask + SavedModel, over ours", _start(FLASK_SAVED_MODEL, SERVICE)),
    _most(250.0, "The service's environment on disk", _disk, "MB"),
)
