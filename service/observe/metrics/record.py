"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

import numpy as np

from models.manifest import Manifest
from service.logs.survivor import Survivor
from service.observe.metrics.families import input_key, key, prediction_key, range_key
from service.observe.metrics.tally import Tally
from service.serving.dataplane import Kcal
from service.serving.engines import Rows

# The dialect, route, refusal and status of a request; the manifest of the version that it chose,
# and the label whose share chose it. No engine, which must be let go when it is replaced.
About = tuple[str, str, str, int, Manifest | None, str]

# What one request leaves to be counted: also its seconds, and the rows and their predictions, where
# they were answered. Tuples, for making them is all that a request waits for.
Record = tuple[About, float, Rows | None, Kcal | None]


def count(tally: Tally, records: Iterable[Record], survivor: Survivor) -> None:
    """Count records, those that are alike together; what cannot be counted costs no others."""
    alike: defaultdict[tuple[object, ...], list[Record]] = defaultdict(list)
    for about, run in groupby(records, itemgetter(0)):
        dialect, route, refusal, status, card, label = about
        alike[dialect, route, refusal, status, id(card), label].extend(run)
    for group in alike.values():
        survivor.run(_count_alike, tally, group)


def _count_alike(tally: Tally, group: list[Record]) -> None:
    dialect, route, refusal, status, card, label = group[0][0]
    _, seconds, rows, calories = zip(*group, strict=True)
    version = (card.model, str(card.version)) if card else ("", "")
    requests = key("calories_requests_total", dialect, route, *version, str(int(status)))
    tally.add(requests, len(group))
    tally.observe(key("calories_request_seconds", dialect), np.array(seconds))
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    answered = [each for each in rows if each is not None]
    if card and answered:
        sizes = np.array([len(each) for each in answered])
        tally.observe(key("calories_request_rows", dialect), sizes)
        tally.add(key("calories_rows_total", *version, label), float(sizes.sum()))
        found = [each for each in calories if each is not None]
        _count_rows(tally, card, np.concatenate(answered), np.concatenate(found))


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
