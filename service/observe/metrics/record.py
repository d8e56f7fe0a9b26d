"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from service.exchange import Dialect, Operation
from service.logs.survivor import Survivor
from service.observe.metrics.families import counted, input_key, key, prediction_key
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
    tally.observe(key("calories_request_seconds", dialect), np.array(seconds))
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    cells, found = (np.frombuffer(b"".join(parts), np.float32) for parts in (rows, answers))
    if chosen and len(found):
        sizes = np.fromiter(filter(None, map(len, answers)), np.int64) // found.itemsize
        tally.observe(key("calories_request_rows", dialect), sizes)
        tally.add(key("calories_rows_total", *version, chosen.label), len(found))
        _count_rows(tally, chosen.manifest, cells.reshape(len(found), -1), found)


def _count_rows(tally: Tally, card: Manifest, rows: Rows, answers: NDArray[np.float32]) -> None:
    """Count float32 [n, k] rows and [n] predictions of one version in its buckets."""
    version, output = (card.model, str(card.version)), card.output
    tally.observe(prediction_key(card), answers)
    if output.min is not None and output.max is not None:
        outside = _outside(answers, output.min, output.max)
        tally.add(key("calories_prediction_out_of_range_total", *version), outside)
    inputs = counted(card)
    columns = rows.T[: len(inputs)].copy()
    for (given, (low, high, _)), column in zip(inputs, columns, strict=True):
        tally.observe(input_key(card, given), column)
        outside = _outside(column, low, high)
        tally.add(key("calories_input_out_of_range_total", *version, given.name), outside)


def _outside(values: NDArray[np.float32], low: float, high: float) -> int:
    """How many are; compared as float32, like the data plane's `in_range`."""
    return int(np.count_nonzero((values < np.float32(low)) | (values > np.float32(high))))


def snake(name: str) -> str:
    """RateLimited as rate_limited."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
