"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from service.exchange import Dialect, Operation
from service.logs.survivor import Survivor
from service.observe.metrics.families import Series, input_series, key, prediction_series
from service.observe.metrics.tally import Tally
from service.serving.engines import Rows
from service.serving.loaded import Chosen

# The operation, dialect, refusal and status of a request, and the version that it chose: no engine,
# which must be let go when it is replaced.
About = tuple[Operation | None, Dialect | None, str, int, Chosen | None]

# What one request leaves to be counted: also its seconds, float32 [n, k] rows and [n] predictions.
# A tuple and bytes, for making them is all that a request waits for: arrays would take thrice as
# much memory, cold by then, and small ones are slow to join.
Record = tuple[About, float, bytes, bytes]


def count(tally: Tally, records: Iterable[Record], survivor: Survivor) -> None:
    """Count records, those that are alike together; what cannot be counted costs no others."""
    alike: defaultdict[tuple[object, ...], list[Record]] = defaultdict(list)
    for about, run in groupby(records, itemgetter(0)):
        operation, dialect, refusal, status, chosen = about
        alike[id(operation), id(dialect), refusal, status, id(chosen)].extend(run)
    for group in alike.values():
        survivor.run(_count_alike, tally, group)


def _count_alike(tally: Tally, group: list[Record]) -> None:
    (operation, wording, refusal, status, chosen), *_ = group[0]
    _, seconds, rows, answers = zip(*group, strict=True)
    route, dialect = operation.path if operation else "", wording.name if wording else ""
    version = (chosen.manifest.model, str(chosen.manifest.version)) if chosen else ("", "")
    requests = key("calories_requests_total", dialect, route, *version, str(int(status)))
    tally.add(requests, len(group))
    tally.observe([key("calories_request_seconds", dialect)], np.array([seconds]))
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    cells, found = (np.frombuffer(b"".join(parts), np.float32) for parts in (rows, answers))
    if chosen and len(found):
        sizes = np.fromiter(filter(None, map(len, answers)), np.int64) // found.itemsize
        tally.observe([key("calories_request_rows", dialect)], sizes[None])
        tally.add(key("calories_rows_total", *version, chosen.label), len(found))
        _count_rows(tally, chosen, cells.reshape(len(found), -1), found)


def _count_rows(tally: Tally, chosen: Chosen, rows: Rows, answers: NDArray[np.float32]) -> None:
    """Count float32 [n, k] rows and [n] predictions of one version in its buckets."""
    if "series" not in chosen.made:
        card = chosen.manifest
        chosen.made["series"] = ([prediction_series(card)], input_series(card))
    prediction, inputs = chosen.made["series"]
    _count_values(tally, prediction, answers[None])
    if inputs:
        _count_values(tally, inputs, rows.T[: len(inputs)].copy())


def _count_values(tally: Tally, series: Sequence[Series], values: NDArray[np.float32]) -> None:
    """Count float32 [k, n] values of k series; ranges are float32, as in the data plane."""
    tally.observe([each.values for each in series], values)
    low, high = np.array([(each.low, each.high) for each in series], np.float32).T[:, :, None]
    outside = np.count_nonzero((values < low) | (values > high), axis=1)
    for each, number in zip(series, outside.tolist(), strict=True):
        if each.outside:
            tally.add(each.outside, number)


def snake(name: str) -> str:
    """RateLimited as rate_limited."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
