"""The families: every metric there is, with its labels and its buckets (docs/metrics.md)."""

from itertools import islice
from typing import Literal, NamedTuple

from models.manifest import LARGEST, Input, Manifest, Output
from service.observe.metrics.tally import SeriesKey

# Seconds: the fast path takes tens of microseconds, a large body tens of milliseconds.
SECONDS = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
ROWS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
# Of an output that nobody knows: 1, 2 and 5 of each power of ten, above 0 and below.
ABOVE = tuple(float(f"{digit}e{power}") for power in range(-2, 7) for digit in (1, 2, 5))
ANY_VALUE = (*(-bound for bound in reversed(ABOVE)), 0.0, *ABOVE)
BEYOND = (0.25, 1.0, 4.0)  # of what training saw of the output, on either side
MOST_INPUTS = 64  # of a version that are counted, the first: each has some 15 series a worker tells


class Family(NamedTuple):
    """A metric; `bounds` are those of its buckets, empty where each version has its own.

    Those of a version are of values that may be below 0. Prometheus would take a sum that falls for
    a counter that begins anew, so they have none, and with it no count (OpenMetrics 1.0,
    Histogram); how many they are is the bucket of +Inf.
    """

    type: Literal["counter", "gauge", "histogram", "info"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


VERSION = ("model", "version")

FAMILIES = {
    "calories_requests_total": Family(
        "counter",
        "Requests answered; model and version as the request chose them, empty if it chose none.",
        ("dialect", "route", *VERSION, "status"),
    ),
    "calories_request_seconds": Family(
        "histogram",
        "Seconds from the arrival of a request at the app until its answer is handed over.",
        ("dialect",),
        SECONDS,
    ),
    "calories_request_rows": Family(
        "histogram", "Rows of a request that was answered with predictions.", ("dialect",), ROWS
    ),
    "calories_refused_total": Family(
        "counter", "Requests that the gate refused before anything was computed.", ("reason",)
    ),
    "calories_rows_total": Family(
        "counter",
        "Rows answered; label is the one by whose share of the requests they came.",
        (*VERSION, "label"),
    ),
    "calories_prediction": Family(
        "histogram",
        "What was answered, in the output's unit; the buckets are its quantiles in training.",
        VERSION,
    ),
    "calories_prediction_out_of_range_total": Family(
        "counter",
        "Rows answered with less or more than any that the version was trained on.",
        VERSION,
    ),
    "calories_input": Family(
        "histogram",
        "Inputs of the rows answered, in their units; the buckets are their quantiles in training.",
        (*VERSION, "input"),
    ),
    "calories_input_out_of_range_total": Family(
        "counter",
        "Rows answered in which an input is outside of its range in training.",
        (*VERSION, "input"),
    ),
    "calories_training_input": Family(
        "histogram",
        "Inputs of the rows a version was trained on, in the buckets of calories_input.",
        (*VERSION, "input"),
    ),
    "calories_version_info": Family(
        "gauge",
        "1 for each version that a worker knows; why it failed.",
        (*VERSION, "state", "reason"),
    ),
    "calories_label_version": Family("gauge", "Version that a label names.", ("model", "label")),
    "calories_label_percent": Family(
        "gauge", "Percent of the requests that a label takes.", ("model", "label")
    ),
    "calories_label_created_timestamp_seconds": Family(
        "gauge", "When the version that a label names was trained.", ("model", "label")
    ),
    "calories_loads_total": Family(
        "counter", "Versions that workers loaded or failed to load.", ("model", "outcome")
    ),
    "calories_load_seconds": Family(
        "histogram",
        "Seconds from reading a version to its first answer, or to its failure.",
        ("model",),
        SECONDS,
    ),
    "calories_prediction_log_dropped_total": Family(
        "counter", "Rows answered that the prediction log had no room for or could not write."
    ),
    "calories_part_failures_total": Family(
        "counter",
        "Exceptions in a part of the service that goes on, as a background thread.",
        ("part",),
    ),
    "calories_service_info": Family("info", "What runs here.", ("version", "python")),
    "calories_workers": Family("gauge", "Workers that are alive."),
    "process_cpu_seconds_total": Family(
        "counter", "Processor seconds of a worker and of those before it in its slot.", ("worker",)
    ),
    "process_resident_memory_bytes": Family("gauge", "Resident memory of a worker.", ("worker",)),
    "process_virtual_memory_bytes": Family("gauge", "Virtual memory of a worker.", ("worker",)),
    "process_start_time_seconds": Family("gauge", "When a worker started.", ("worker",)),
    "process_open_fds": Family("gauge", "Files and sockets a worker has open.", ("worker",)),
    "process_max_fds": Family("gauge", "Files and sockets a worker may have open.", ("worker",)),
    "process_threads": Family("gauge", "Threads of a worker.", ("worker",)),
}


def key(family: str, *labels: str) -> SeriesKey:
    """The series of a family whose buckets are the same for all."""
    return SeriesKey(family, labels, FAMILIES[family].bounds)


class Series(NamedTuple):
    """What is counted of one quantity of a version: its values, and those out of its range.

    `outside` is None where nobody knows the range.
    """

    values: SeriesKey
    outside: SeriesKey | None
    low: float = -LARGEST
    high: float = LARGEST


def prediction_series(card: Manifest) -> Series:
    """Of a version's predictions."""
    labels, output = (card.model, str(card.version)), card.output
    values = SeriesKey("calories_prediction", labels, around(output))
    if output.min is None or output.max is None:
        return Series(values, None)
    outside = key("calories_prediction_out_of_range_total", *labels)
    return Series(values, outside, output.min, output.max)


def input_series(card: Manifest) -> list[Series]:
    """Of the inputs of a version that are counted; none where nobody knows what training saw."""
    found = []
    for given, (low, high, _) in islice(zip(card.inputs, card.seen, strict=False), MOST_INPUTS):
        labels = (card.model, str(card.version), given.name)
        values = SeriesKey("calories_input", labels, tuple(shares(given)))
        found.append(Series(values, key("calories_input_out_of_range_total", *labels), low, high))
    return found


def around(output: Output) -> tuple[float, ...]:
    """The bounds of an output's buckets: its quantiles, and some on either side of its range."""
    if output.min is None or output.max is None:
        return ANY_VALUE
    spread = (output.max - output.min) or abs(output.max) or 1.0
    below = [output.min - part * spread for part in BEYOND]
    above = [output.max + part * spread for part in BEYOND]
    bounds = {*below, output.min, *output.quantiles.values(), output.max, *above}
    return tuple(sorted({min(max(bound, -LARGEST), LARGEST) for bound in bounds}))


def shares(given: Input) -> dict[float, float]:
    """The share of the training rows in which an input is at most each bound of its buckets.

    Of equal quantiles the last counts. What equals the least value has no bucket of its own: how
    many rows share it, the quantiles do not tell.
    """
    if given.min is None or given.max is None:
        return {}
    levels = sorted((float(level), value) for level, value in given.quantiles.items())
    bounds = {value: level for level, value in levels if given.min < value < given.max}
    return {**bounds, given.max: 1.0}
