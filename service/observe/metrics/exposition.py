"""The exposition: what was counted and what is served, as prometheus_client's families."""

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from service import __version__
from service.logs.survivor import Survivor
from service.observe.metrics.families import (
    FAMILIES,
    input_series,
    prediction_series,
    shares,
)
from service.observe.metrics.tally import Numbers, SeriesKey, Tally
from service.serving.loaded import Model, Models

Families = Mapping[str, Any]  # of prometheus_client, by their names

TYPES = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


class Exposition(Collector):
    """One scrape: the tally of all workers, what is served, and each worker's slot and pid.

    Each series and each model is told by itself, so that one that cannot be told hides no other.
    """

    def __init__(
        self,
        tally: Tally,
        models: Models,
        workers: Mapping[int, int],
        survivor: Survivor,
    ) -> None:
        self._tally = tally
        self._models = models
        self._workers = workers
        self._survivor = survivor

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """The text in the format that the header Accept asks for, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # by a version that is no number
            encode, content_type = choose_encoder("")
        return encode(self), content_type

    def collect(self) -> Iterable[Metric]:
        """Every family, with the series that it has now, but for what cannot be told."""
        found: Families = {
            name: TYPES[family.type](
                name.removesuffix("_info") if family.type == "info" else name,
                family.help,
                labels=family.labels,
            )
            for name, family in FAMILIES.items()
        }
        run, models = self._survivor.run, self._models
        own = {key for served in models.values() for key in run(_bucketed, served) or ()}
        for key, numbers in sorted(self._tally, key=lambda each: each[0]):
            run(_add_counted, found, own, key, numbers)
        for model, served in models.items():
            run(_add_training, found, served)
            run(_add_served, found, model, served)
        run(self._add_processes, found)
        about = {"version": __version__, "python": platform.python_version()}
        found["calories_service_info"].add_metric((), about)
        return found.values()

    def _add_processes(self, found: Families) -> None:
        """What /proc tells of the workers that live; where there is none, how many they are."""
        found["calories_workers"].add_metric((), len(self._workers))
        for slot, pid in self._workers.items():
            for name, value in _process(pid):
                found[name].add_metric((str(slot),), value)


def _bucketed(served: Model) -> set[SeriesKey]:
    """The series that are counted in buckets of their own version."""
    cards = [source.manifest for source in served.loaded.values()]
    return {
        each.values for card in cards for each in (prediction_series(card), *input_series(card))
    }


def _add_counted(
    found: Families, own: Collection[SeriesKey], key: SeriesKey, numbers: Numbers
) -> None:
    """What workers counted, but for buckets that no version has any more."""
    family = FAMILIES.get(key.family)
    if family is None or len(key.labels) != len(family.labels):  # of another release
        return
    if key not in own and key.bounds != family.bounds:
        return
    if family.type == "histogram":
        total = numbers[-1] if family.bounds else None
        found[key.family].add_metric(key.labels, _buckets(key, numbers), total)
    else:
        found[key.family].add_metric(key.labels, numbers[0])


def _add_served(found: Families, model: str, served: Model) -> None:
    """The state of every version of a model, and what each label names."""
    for version, (state, reason) in served.versions().items():
        found["calories_version_info"].add_metric((model, str(version), state, reason), 1)
    for label, version in served.labels.items():
        found["calories_label_version"].add_metric((model, label), version)
        created = served.loaded[version].manifest.created.timestamp()
        found["calories_label_created_timestamp_seconds"].add_metric((model, label), created)
    for label, share in served.shares.items():
        found["calories_label_percent"].add_metric((model, label), share.percent)


def _add_training(found: Families, served: Model) -> None:
    """What training saw, as if it had been counted here: as its quantiles have it."""
    for source in served.loaded.values():
        card = source.manifest
        rows = card.data.rows if card.data else 0
        for given, (series, *_) in zip(card.inputs, input_series(card), strict=False):
            upto = [*(round(part * rows) for part in shares(given).values()), rows]
            buckets = _buckets(series, np.array([*upto, 0.0]))
            if rows:
                found["calories_training_input"].add_metric(series.labels, buckets, None)


def _process(pid: int) -> Iterator[tuple[str, float]]:
    """The gauges of a process; its processor seconds are in the tally, where they outlive it."""
    for metric in ProcessCollector(pid=lambda: pid, registry=None).collect():
        if metric.type == "gauge":
            yield metric.name, metric.samples[0].value
    with suppress(OSError):
        yield "process_threads", len(list(Path(f"/proc/{pid}/task").iterdir()))


def _buckets(key: SeriesKey, numbers: Numbers) -> list[tuple[str, float]]:
    bounds = [*map(_le, key.bounds), "+Inf"]
    return list(zip(bounds, numbers[:-1].tolist(), strict=True))


def _le(bound: float) -> str:
    """A bound as the histograms' label has it."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
