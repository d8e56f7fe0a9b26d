"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from service.exchange import Dialect, Operation
from service.logs.survivor import Survivor
from service.observe.metrics.families import input_key, key, prediction_key, range_key
from service.observe.metrics.tally import Tally
from service.serving.dataplane import Kcal
from service.serving.engines import Rows
from service.serving.loaded import Card

# The operation, dialect, refusal and status of a request, and the card of the version it chose: no
# engine, which must be let go when it is replaced.
About = tuple[Operation | None, Dialect | None, str, int, Card | None]

# What one request leaves to be counted: also its seconds, and the rows and their predictions.
# Tuples, for making them is all that a request waits for.
Record = tuple[About, float, Rows, Kcal]
NONE: tuple[Rows, Kcal] = np.empty((0, 0), np.float32), np.empty(0, np.float32)  # were predicted


def count(tally: Tally, records: Iterable[Record], survivor: Survivor) -> None:
    """Count records, those that are alike together; what cannot be counted costs no others."""
    alike: defaultdict[tuple[object, ...], list[Record]] = defaultdict(list)
    for about, run in groupby(records, itemgetter(0)):
        operation, dialect, refusal, status, card = about
        alike[id(operation), id(dialect), refusal, status, id(card)].extend(run)
    for group in alike.values():
        survivor.run(_count_alike, tally, group)


def _count_alike(tally: Tally, group: list[Record]) -> None:
    (operation, spoken, refusal, status, card), *_ = group[0]
    _, seconds, rows, calories = zip(*group, strict=True)
    route, dialect = operation.path if operation else "", spoken.name if spoken else ""
    version = (card.manifest.model, str(card.manifest.version)) if card else ("", "")
    requests = key("calories_requests_total", dialect, route, *version, str(int(status)))
    tally.add(requests, len(group))
    tally.observe(key("calories_request_seconds", dialect), np.array(seconds))
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    sizes = np.fromiter(filter(None, map(len, rows)), np.int64)
    if card and len(sizes):
        tally.observe(key("calories_request_rows", dialect), sizes)
        tally.add(key("calories_rows_total", *version, card.label), float(sizes.sum()))
        _count_rows(tally, card.manifest, _joined(rows), _joined(calories))


def _joined(parts: Iterable[Any]) -> NDArray[np.float32]:
    """All numbers one after another: np.concatenate takes five times as long for small parts."""
    return np.frombuffer(b"".join(parts), np.float32)


def _count_rows(tally: Tally, card: Manifest, cells: Kcal, calories: Kcal) -> None:
    """Count float32 [n * k] cells of rows and [n] predictions of one version in its buckets."""
    tally.observe(prediction_key(card), calories)
    for given, column in zip(card.inputs, cells.reshape(len(calories), -1).T.copy(), strict=True):
        tally.observe(input_key(card, given), column)
        # As float32, like the data plane's `in_range`.
        outside = (column < np.float32(given.min)) | (column > np.float32(given.max))
        tally.add(range_key(card, given), int(np.count_nonzero(outside)))


def snake(name: str) -> str:
    """RateLimited as rate_limited."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
