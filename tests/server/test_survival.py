"""What fails inside the service harms no answer, no scrape and no background thread.

Faults are put into the libraries that the service uses, by a sitecustomize of its Python: each
is there while a file of its name is.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.servers import DEV_PYTHON, PATIENCE, ROW, Server, await_, running

FAULTY = """
import logging
import os

import numpy as np
import prometheus_client.core as core
import pyarrow.parquet as pq


def faulty(holder, name, fault, fails=lambda *_, **__: True):
    whole = getattr(holder, name)

    def failing(*given, **named):
        if os.path.exists(os.path.join({folder!r}, fault)) and fails(*given, **named):
            raise RuntimeError(fault)
        return whole(*given, **named)

    setattr(holder, name, failing)


def of_deep(_, labels, *rest, **named):
    return "deep" in labels


for family in (core.HistogramMetricFamily, core.GaugeMetricFamily, core.CounterMetricFamily):
    faulty(family, "add_metric", "exposition", of_deep)
faulty(np, "count_nonzero", "tally")
faulty(pq, "write_table", "prediction log")
faulty(logging.getLogger("service.access"), "handle", "access log")
"""
FAULTS = ("exposition", "tally", "prediction log", "access log")
MANY = {name: [1] * 70_000 for name in ROW}  # rows, which are written at once


class Faulty:
    """A service in which something fails when it is told to."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.log = folder / "log"
        self._faults = folder / "faults"

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        (self._faults / fault).touch()
        yield
        (self._faults / fault).unlink()

    def ask(self, times: int = 1, query: str = "", row: object = ROW) -> None:
        for _ in range(times):
            answer = self.server.predict(row, query)
            assert answer.status_code == 200, answer.text

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        answer = requests.get(f"{self.server.url}/metrics", timeout=PATIENCE)
        assert answer.status_code == 200
        samples = [sample for family in parsed(answer.text) for sample in family.samples]
        return sum(
            each.value
            for each in samples
            if each.name == name and labels.items() <= each.labels.items()
        )

    def rows_of(self, model: str) -> float:
        return self.value("calories_rows_total", model=model)

    def failures(self) -> float:
        return self.value("calories_part_failures_total")


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Faulty]:
    folder = tmp_path_factory.mktemp("survival")
    (folder / "faults").mkdir()
    (folder / "sitecustomize.py").write_text(FAULTY.format(folder=str(folder / "faults")))
    settings: dict[str, object] = {"registry": shipped_root, "access_log": 1, "workers": 1}
    paths = {"pythonpath": folder, "prediction_log": folder / "log"}
    with running(folder, DEV_PYTHON, **settings, **paths) as server:
        yield Faulty(server, folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_no_answer_and_is_survived(faulty: Faulty, fault: str) -> None:
    before = faulty.failures()
    with faulty.failing(fault):
        faulty.ask(300)  # more than are counted at once, in the request that is one too many
        faulty.ask(2, row=MANY)
        faulty.ask(query="?model=deep")
        await_(lambda: faulty.failures() > before, f"the {fault} has failed and is counted")
    counted = faulty.rows_of("calories")
    faulty.ask(5)
    await_(lambda: faulty.rows_of("calories") == counted + 5, "what comes afterwards is counted")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_the_log(faulty: Faulty, fault: str) -> None:
    with faulty.failing(fault):
        faulty.ask(row=MANY)
        faulty.ask(query="?model=deep")
        faulty.failures()
        await_(lambda: f"RuntimeError: {fault}" in faulty.server.output(), "the log tells it")
    assert faulty.server.output().count(f"RuntimeError: {fault}") < 20


def test_a_model_that_cannot_be_told_hides_no_other(faulty: Faulty) -> None:
    told = ("calories_version_info", "calories_training_grams_count", "calories_label_version")
    with faulty.failing("exposition"):
        assert [faulty.value(name, model="calories") > 0 for name in told] == [True] * 3
        assert [faulty.value(name, model="deep") for name in told] == [0] * 3
    assert [faulty.value(name, model="deep") > 0 for name in told] == [True] * 3


def test_rows_that_cannot_be_written_are_counted_and_later_ones_are_written(faulty: Faulty) -> None:
    def dropped() -> float:
        return faulty.value("calories_prediction_log_dropped_total")

    def written() -> int:
        return sum(pq.read_metadata(path).num_rows for path in faulty.log.glob("*/[!.]*.parquet"))

    before = dropped()
    with faulty.failing("prediction log"):
        faulty.ask(row=MANY)
        await_(lambda: dropped() >= before + 70_000, "the rows are counted as dropped")
    found = written()
    faulty.ask(row=MANY)
    await_(lambda: written() >= found + 70_000, "the rows are written")


SERIES = [
    '[["calories_refused_total",["overloaded"],[],[1,2,3]]]',  # of three numbers
    '[["calories_refused_total",[5],[],[1]]]',
    '[["calories_refused_total",["a","b"],[],[1]]]',
    '[[5,["overloaded"],[],[1]]]',
    '[["calories_request_seconds",["native"],[0.1],[1]]]',
    '[["calories_request_seconds",["native"],["a"],[1,1,1]]]',
    '[["calories_refused_total",["overloaded"],[],[null]]]',
    '[["calories_refused_total",["overloaded"],[],["1"]]]',
    '[["calories_refused_total",["overloaded"],[],[[1]]]]',
    '[["of_another_release",["a"],[],[1]]]',
    "[" * 100_000,
    "{}",
    "",
    "\x00",
]


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A METRICS_FOLDER in which somebody has put whatever fits."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    for number, written in enumerate(SERIES):
        (folder / f"worker-{number}.json").write_text(written)
    os.mkfifo(folder / "worker-100.json")
    os.mkfifo(folder / "worker-100.lock")
    (folder / "worker-101.json").mkdir()
    (folder / "worker-101.lock").mkdir()
    (folder / "worker-x.json").write_text("[]")
    (folder / "worker-x.lock").touch()
    (folder / "worker--1.lock").touch()
    (folder / "worker-102.json").write_bytes(bytes(20_000_000))
    (folder / "worker-103.lock").symlink_to(tmp_path / "target")
    (folder / "worker-104.json").symlink_to("/dev/zero")
    return folder


def test_what_strangers_put_into_the_metrics_folder_is_left_out(
    strangers: Path, tmp_path: Path, shipped_root: Path
) -> None:
    settings = {"registry": shipped_root, "metrics_folder": strangers}
    with running(tmp_path, workers=2, **settings) as server:
        faulty = Faulty(server, tmp_path)
        for times in (5, 10):
            faulty.ask(5)
            await_(lambda times=times: faulty.rows_of("calories") == times, "rows are counted")  # type: ignore[misc]
        await_(lambda: faulty.value("calories_workers") == 2, "both workers are there")
    assert not (tmp_path / "target").exists()


def test_a_link_among_the_metrics_spoils_nothing(tmp_path: Path, shipped_root: Path) -> None:
    folder, target = tmp_path / "metrics", tmp_path / "target"
    folder.mkdir()
    target.write_text("precious")
    for name in ("worker-0.lock", "worker-0.draft", "worker-1.draft", "worker-1.json"):
        (folder / name).symlink_to(target)
    with running(tmp_path, workers=1, registry=shipped_root, metrics_folder=folder) as server:
        faulty = Faulty(server, tmp_path)
        faulty.ask(3)
        await_(lambda: faulty.rows_of("calories") == 3, "rows are counted")
    assert target.read_text() == "precious"


def test_a_scrape_does_not_wait_for_a_stranger_who_holds_the_folder(
    tmp_path: Path, shipped_root: Path
) -> None:
    folder = tmp_path / "metrics"
    with running(tmp_path, workers=1, registry=shipped_root, metrics_folder=folder) as server:
        faulty = Faulty(server, tmp_path)
        with (folder / "slots.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            faulty.ask(3)
            await_(lambda: faulty.rows_of("calories") == 3, "rows are counted")
