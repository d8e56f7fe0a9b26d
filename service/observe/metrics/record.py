"""Records: what one request leaves, and how many of them are counted at once."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from models.manifest import Manifest
from service.exchange import Exchange
from service.logs.survivor import Survivor
from service.observe.metrics.families import input_key, key, prediction_key, range_key
from service.observe.metrics.tally import Tally
from service.serving.dataplane import Kcal
from service.serving.engines import Rows


class Record(NamedTuple):
    """What one request leaves to be counted: no engine, which is let go when it is replaced."""

    dialect: str
    route: str
    refusal: str
    status: int
    seconds: float
    card: Manifest | None  # of the version that was chosen
    label: str  # whose share chose it
    rows: Rows | None  # where they were answered, with the predictions
    calories: Kcal | None


def record(exchange: Exchange) -> Record:
    """What a request that is over leaves."""
    operation, source, found = exchange.operation, exchange.source, exchange.prediction
    response = exchange.response
    return Record(
        exchange.dialect.name if exchange.dialect else "",
        operation.path if operation else "",
        exchange.refusal,
        response.status if response else 0,
        exchange.seconds,
        source.manifest if source else None,
        source.label if source else "",
        exchange.rows if found else None,
        found.calories if found else None,
    )


def count(tally: Tally, records: Iterable[Record], survivor: Survivor) -> None:
    """Count records, those that are alike together; what cannot be counted costs no others."""
    alike: defaultdict[tuple[object, ...], list[Record]] = defaultdict(list)
    for each in records:
        version = id(each.card), each.label
        alike[each.dialect, each.route, each.refusal, each.status, *version].append(each)
    for group in alike.values():
        survivor.run(_count_alike, tally, group)


def _count_alike(tally: Tally, group: list[Record]) -> None:
    dialect, route, refusal, status, _, card, label, _, _ = group[0]
    version = (card.model, str(card.version)) if card else ("", "")
    requests = key("calories_requests_total", dialect, route, *version, str(int(status)))
    tally.add(requests, len(group))
    seconds = np.array([each.seconds for each in group])
    tally.observe(key("calories_request_seconds", dialect), seconds)
    if refusal:
        tally.add(key("calories_refused_total", snake(refusal)), len(group))
    found = [(each.rows, each.calories) for each in group if each.rows is not None]
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
