"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from models.manifest import Manifest
from service.logs.survivor import Survivor
from service.observe.metrics.families import input_key, key, prediction_key, range_key
from service.observe.metrics.tally import Tally
from service.serving.dataplane import Kcal
from service.serving.engines import Rows

# The manifest of the version that a request chose, the label whose share chose it, and the rows
# with their predictions if it came to that. No engine, which must be let go when it is replaced.
Answer = tuple[Manifest | None, str, tuple[Rows, Kcal] | None]
NOTHING: Answer = (None, "", None)

# Path, route, what the guard refused it with, status, seconds, answer. A tuple, for making it is
# all that a request waits for.
Record = tuple[str, str, str, int, float, Answer]

DIALECTS = {"predict": "native", "explain": "native", "v1": "tfserving", "v2": "v2"}


def count(tally: Tally, records: Iterable[Record], survivor: Survivor) -> None:
    """Count records, those that are alike together; what cannot be counted costs no others."""
    alike: defaultdict[tuple[object, ...], list[Record]] = defaultdict(list)
    for record in records:
        path, route, refusal, status, _, (card, label, _) = record
        alike[dialect_of(path), route, refusal, status, id(card), label].append(record)
    for group in alike.values():
        survivor.run(_count_alike, tally, group)


@lru_cache(64)
def dialect_of(path: str) -> str:
    """The dialect of an absolute path, as metrics and logs name it."""
    return DIALECTS.get(path[1:].partition("/")[0].lower(), "other")


def _count_alike(tally: Tally, group: list[Record]) -> None:
    path, route, refusal, status, _, (card, label, _) = group[0]
    dialect = dialect_of(path)
    version = (card.model, str(card.version)) if card else ("", "")
    requests = key("calories_requests_total", dialect, route, *version, str(status))
    tally.add(requests, len(group))
    seconds = np.array([took for *_, took, _ in group])
    tally.observe(key("calories_request_seconds", dialect), seconds)
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    found = [answered for *_, (_, _, answered) in group if answered]
    if card and found:
        sizes = np.array([len(rows) for rows, _ in found])
        tally.observe(key("calories_request_rows", dialect), sizes)
        tally.add(key("calories_rows_total", *version, label), float(sizes.sum()))
        rows, calories = map(np.concatenate, zip(*found, strict=True))
        _count_rows(tally, card, rows, calories)


def _count_rows(tally: Tally, card: Manifest, rows: Rows, calories: Kcal) -> None:
    """Count float32 [n, k] rows and [n] predictions of one version in its buckets."""
    tally.observe(prediction_key(card), calories)
    for given, column in zip(card.inputs, rows.T.copy(), strict=True):
        tally.observe(input_key(card, given), column)
        # As float32, like the data plane's `in_range`.
        outside = (column < np.float32(given.min)) | (column > np.float32(given.max))
        tally.add(range_key(card, given), int(np.count_nonzero(outside)))


def snake(name: str) -> str:
    """RateLimited as rate_limited."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
