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


class Asked:
    """A service that is asked over a kept connection, and its metrics."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.log = server, folder / "log"
        self._faults, self._session = folder / "faults", requests.Session()

    @contextmanager
    def failing(self, fault: str) -> Iterator[None]:
        (self._faults / fault).touch()
        yield
        (self._faults / fault).unlink()

    def ask(self, times: int = 1, query: str = "", row: object = ROW) -> None:
        for _ in range(times):
            url = f"{self.server.url}/predict{query}"
            answer = self._session.post(url, json=row, timeout=PATIENCE)
            assert answer.status_code == 200, answer.text

    def value(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        answer = requests.get(f"{self.server.url}/metrics", timeout=PATIENCE)
        assert answer.status_code == 200
        samples = [each for family in parsed(answer.text) for each in family.samples]
        return sum(
            it.value for it in samples if it.name == name and labels.items() <= it.labels.items()
        )

    def rows(self) -> float:
        return self.value("calories_rows_total", model="calories")

    def ask_and_await(self, times: int, before: float) -> None:
        """Ask so many rows more, and wait until they are counted."""
        self.ask(times)
        await_(lambda: self.rows() == before + times, "what was asked is counted")

    def failures(self) -> float:
        return self.value("calories_part_failures_total")

    def dropped(self) -> float:
        return self.value("calories_prediction_log_dropped_total")

    def written(self) -> int:
        return sum(pq.read_metadata(path).num_rows for path in self.log.glob("*/[!.]*.parquet"))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("survival")
    (folder / "faults").mkdir()
    (folder / "sitecustomize.py").write_text(FAULTY.format(folder=str(folder / "faults")))
    settings: dict[str, object] = {"registry": shipped_root, "access_log": 1, "workers": 1}
    paths = {"pythonpath": folder, "prediction_log": folder / "log"}
    with running(folder, DEV_PYTHON, **settings, **paths) as server:
        yield Asked(server, folder)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_changes_no_answer_is_counted_told_and_survived(faulty: Asked, fault: str) -> None:
    before = faulty.failures()
    with faulty.failing(fault):
        faulty.ask(300)  # more than are counted at once, in the request that is one too many
        faulty.ask(row=MANY)
        faulty.ask(query="?model=deep")
        await_(lambda: faulty.failures() > before, f"the {fault} has failed and is counted")
        await_(lambda: f"RuntimeError: {fault}" in faulty.server.output(), "the log tells it")
    faulty.ask_and_await(5, before=faulty.rows())
    assert faulty.server.output().count(f"RuntimeError: {fault}") < 20


def test_a_model_that_cannot_be_told_hides_no_other(faulty: Asked) -> None:
    told = ("calories_version_info", "calories_training_input_bucket", "calories_label_version")
    with faulty.failing("exposition"):
        assert [faulty.value(name, model="calories") > 0 for name in told] == [True] * 3
        assert [faulty.value(name, model="deep") for name in told] == [0] * 3
    assert [faulty.value(name, model="deep") > 0 for name in told] == [True] * 3


def test_rows_that_cannot_be_written_are_counted_and_later_ones_are_written(faulty: Asked) -> None:
    before = faulty.dropped()
    with faulty.failing("prediction log"):
        faulty.ask(row=MANY)
        await_(lambda: faulty.dropped() >= before + 70_000, "the rows are counted as dropped")
    found = faulty.written()
    faulty.ask(row=MANY)
    await_(lambda: faulty.written() >= found + 70_000, "the rows are written")


REFUSED = '[["calories_refused_total",["overloaded"],[],%s]]'
SERIES = [
    *(REFUSED % written for written in ("[1,2,3]", "[null]", '["1"]', "[[1]]")),  # [1] is right
    '[["calories_refused_total",[5],[],[1]]]',
    '[["calories_refused_total",["a","b"],[],[1]]]',
    '[[5,["overloaded"],[],[1]]]',
    '[["calories_request_seconds",["native"],[0.1],[1]]]',
    '[["calories_request_seconds",["native"],["a"],[1,1,1]]]',
    '[["of_another_release",["a"],[],[1]]]',
    *("[" * 100_000, "{}", "", "\x00"),
]


def test_what_strangers_put_into_the_metrics_folder_is_left_out_and_who_holds_it_not_waited_for(
    tmp_path: Path, shipped_root: Path
) -> None:
    folder = tmp_path / "metrics"
    folder.mkdir()
    for number, written in enumerate(SERIES):
        (folder / f"worker-{number}.json").write_text(written)
    for name in ("worker-100.json", "worker-100.lock"):
        os.mkfifo(folder / name)
    for name in ("worker-101.json", "worker-101.lock"):
        (folder / name).mkdir()
    for name in ("worker-x.json", "worker-x.lock", "worker--1.lock"):
        (folder / name).write_text("[]")
    (folder / "worker-102.json").write_bytes(bytes(20_000_000))
    (folder / "worker-103.lock").symlink_to(tmp_path / "target")
    (folder / "worker-104.json").symlink_to("/dev/zero")
    with running(tmp_path, workers=2, registry=shipped_root, metrics_folder=folder) as server:
        service = Asked(server, tmp_path)
        for before in (0, 5):
            service.ask_and_await(5, before)
        await_(lambda: service.value("calories_workers") == 2, "both workers are there")
        assert not (tmp_path / "target").exists()
        with (folder / "slots.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            service.ask_and_await(3, before=10)


def test_a_link_among_the_metrics_spoils_nothing(tmp_path: Path, shipped_root: Path) -> None:
    folder, target = tmp_path / "metrics", tmp_path / "target"
    folder.mkdir()
    target.write_text("precious")
    for name in ("worker-0.lock", "worker-0.draft", "worker-1.draft", "worker-1.json"):
        (folder / name).symlink_to(target)
    with running(tmp_path, workers=1, registry=shipped_root, metrics_folder=folder) as server:
        Asked(server, tmp_path).ask_and_await(3, before=0)
    assert target.read_text() == "precious"
