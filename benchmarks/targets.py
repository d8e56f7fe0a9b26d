"""The ratios to reach: a name, a formula over the results, a bound."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from benchmarks.bodies import ONE, Body
from benchmarks.results import NotMeasured, Results
from benchmarks.subjects import (
    BARE_FLASK,
    FASTAPI_LITERT,
    FASTAPI_SAVED_MODEL,
    FLASK_SAVED_MODEL,
    GRANIAN,
    GRANIAN_CONSTANT,
    GUNICORN,
    GUNICORN_CONSTANT,
    NGINX,
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
        r.rows_a_second(GUNICORN, body, BUSY) / r.rows_a_second(FASTAPI_LITERT, ROWS, BUSY)
    )


def _start(subject: Subject, other: Subject) -> Formula:
    """Seconds to the first answer: how many times the other's."""
    return lambda r: r.start(subject) / r.start(other)


def _falling(results: Results) -> float:
    """Processor time a row: that of 10,000 rows a request over that of 100,000."""
    a_row = [results.processor(GUNICORN, body, 1) / body.count for body in (LARGE, LARGEST)]
    return a_row[0] / a_row[1]


def _after(results: Results) -> float:
    if results.soak.after is None:
        raise NotMeasured("100,000 requests")
    return results.soak.after / MEGABYTE


def _disk(results: Results) -> float:
    return results.machine.service_bytes / MEGABYTE


def _most(bound: float, name: str, value: Formula, unit: str = "times") -> Target:
    return Target(name, value, "most", bound, unit)


def _least(bound: float, name: str, value: Formula) -> Target:
    return Target(name, value, "least", bound, "times")


GROWTH = _most(2.0, "What that worker grows in the soak", lambda r: r.soak.growth, "MB")

TARGETS = (
    _most(1.35, "One row on gunicorn, over its constant", _cost(GUNICORN, GUNICORN_CONSTANT)),
    _least(3.3, "FastAPI + SavedModel, over gunicorn", _cost(FASTAPI_SAVED_MODEL, GUNICORN)),
    _least(4.0, "Flask + SavedModel, over gunicorn", _cost(FLASK_SAVED_MODEL, GUNICORN)),
    _most(2.4, "One row on Granian, over its constant", _cost(GRANIAN, GRANIAN_CONSTANT)),
    _most(4.0, "One row on Granian, over nginx's constant", _cost(GRANIAN, NGINX)),
    _least(18.0, "FastAPI + SavedModel, over Granian", _cost(FASTAPI_SAVED_MODEL, GRANIAN)),
    _least(20.0, "Rows a second, 1,000 as rows, over FastAPI + LiteRT", _speed(ROWS)),
    _least(50.0, "Rows a second, 1,000 as columns, over FastAPI + LiteRT", _speed(COLUMNS)),
    _least(1.0, "Cost a row of 10,000 rows, over that of 100,000", _falling),
    _most(75.0, "Memory of a gunicorn worker after 100,000 requests", _after, "MB"),
    GROWTH,
    _most(1.6, "Start on gunicorn, over bare Flask's", _start(GUNICORN, BARE_FLASK)),
    _least(8.0, "Start of Flask + SavedModel, over ours", _start(FLASK_SAVED_MODEL, GUNICORN)),
    _most(250.0, "The service's environment on disk", _disk, "MB"),
)
