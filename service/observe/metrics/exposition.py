"""The exposition: what was counted and what is served, as prometheus_client's families."""

import platform
from collections.abc import Iterable, Iterator, Mapping
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

from models.manifest import Manifest
from service import __version__
from service.observe.metrics.families import FAMILIES, input_key, shares
from service.observe.metrics.tally import Key, Numbers, Tally
from service.serving.loaded import Snapshot

Gauge = tuple[str, tuple[str, ...], float]  # family, values of the labels, value

TYPES = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
    "info": InfoMetricFamily,
}


class Exposition(Collector):
    """One scrape: the tally of all workers, what is served, and each worker's slot and pid."""

    def __init__(
        self, tally: Tally, snapshot: Snapshot, workers: Mapping[int, int], server: str
    ) -> None:
        self._tally = tally
        self._snapshot = snapshot
        self._workers = workers
        self._server = server

    def encoded(self, accept: str) -> tuple[bytes, str]:
        """The text in the format that the header Accept asks for, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # by a version that is no number
            encode, content_type = choose_encoder("")
        return encode(self), content_type

    def collect(self) -> Iterable[Metric]:
        """Every family, with the series that it has now."""
        found: dict[str, Any] = {
            name: TYPES[family.type](
                name.removesuffix("_info") if family.type == "info" else name,
                family.help,
                labels=family.labels,
            )
            for name, family in FAMILIES.items()
        }
        self._add_counted(found)
        self._add_training(found)
        for name, labels, value in (*self._served(), *self._processes()):
            found[name].add_metric(labels, value)
        about = {
            "version": __version__,
            "server": self._server,
            "python": platform.python_version(),
        }
        found["calories_service_info"].add_metric((), about)
        return found.values()

    def _add_counted(self, found: Mapping[str, Any]) -> None:
        """What workers counted, but for buckets that no version has any more."""
        own = {input_key(card, given) for card in self._cards() for given in card.inputs}
        for key, numbers in sorted(self._tally, key=lambda each: each[0]):
            family = FAMILIES.get(key.family)
            if family is None or (key not in own and key.bounds != family.bounds):
                continue
            if family.type == "histogram":
                found[key.family].add_metric(key.labels, _buckets(key, numbers), numbers[-1])
            else:
                found[key.family].add_metric(key.labels, numbers[0])

    def _served(self) -> Iterator[Gauge]:
        """The state of every version, and what each label names."""
        for model, served in self._snapshot.items():
            for version, (state, reason) in served.versions().items():
                yield "calories_version_info", (model, str(version), state, reason), 1
            for label, version in served.labels.items():
                yield "calories_label_version", (model, label), version
                created = served.loaded[version].manifest.created.timestamp()
                yield "calories_label_created_timestamp_seconds", (model, label), created
            for label, share in served.shares.items():
                yield "calories_label_percent", (model, label), share.percent

    def _add_training(self, found: Mapping[str, Any]) -> None:
        """What training saw, as if it had been counted here: the quantiles, the mean."""
        for card in self._cards():
            for given in card.inputs:
                rows, parts = card.data.rows, shares(given)
                series = input_key(card, given)
                numbers = np.array(
                    [*(round(part * rows) for part in parts.values()), rows, given.mean * rows]
                )
                found["calories_training_grams"].add_metric(
                    series.labels, _buckets(series, numbers), numbers[-1]
                )

    def _cards(self) -> Iterator[Manifest]:
        for served in self._snapshot.values():
            for source in served.loaded.values():
                yield source.manifest

    def _processes(self) -> Iterator[Gauge]:
        """What /proc tells of the workers that live; where there is none, how many they are."""
        yield "calories_workers", (), len(self._workers)
        for slot, pid in self._workers.items():
            for name, value in _process(pid):
                yield name, (str(slot),), value


def _process(pid: int) -> Iterator[tuple[str, float]]:
    """The gauges of a process; its processor seconds are in the tally, where they outlive it."""
    for metric in ProcessCollector(pid=lambda: pid, registry=None).collect():
        if metric.type == "gauge":
            yield metric.name, metric.samples[0].value
    with suppress(OSError):
        yield "process_threads", len(list(Path(f"/proc/{pid}/task").iterdir()))


def _buckets(key: Key, numbers: Numbers) -> list[tuple[str, float]]:
    bounds = [*map(_le, key.bounds), "+Inf"]
    return list(zip(bounds, numbers[:-1].tolist(), strict=True))


def _le(bound: float) -> str:
    """A bound as the histograms' label has it."""
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]
