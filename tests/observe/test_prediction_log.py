"""The prediction log: what is in it, what bounds it, and what it costs a request when it fails."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests
from werkzeug.test import Client, TestResponse

from models.manifest import MANIFEST
from models.registry import Registry
from service.app import create_app, create_host
from service.observe import prediction_log
from service.observe.installed import Unavailable, check
from service.observe.metrics import Metrics
from service.observe.prediction_log import STALE_SECONDS, PredictionLog
from service.settings import Settings
from tests.servers import DEV_PYTHON, PATIENCE, ROW, await_, running

OUTSIDE = {"sugar": 500, "fiber": 1, "protein": 2}
TENSORS = [{"name": n, "datatype": "FP32", "shape": [1], "data": [v]} for n, v in ROW.items()]


class Logged:
    """An app in this process, with a log that is written when it is told to."""

    def __init__(self, registry: Path, folder: Path, megabytes: int = 10) -> None:
        self.folder = folder
        self.dropped: list[int] = []
        self.log = PredictionLog(folder, megabytes, self.dropped.append)
        settings = Settings(registry=registry)
        self.host = create_host(settings)
        app = create_app(settings, self.host, Metrics(self.host), [self.log])
        self.client = Client(app.wsgi_app, TestResponse)

    def predict(self, body: object = ROW, query: str = "", **headers: str) -> TestResponse:
        return self.client.post(f"/predict{query}", json=body, headers=headers)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*/*"))

    def rows(self) -> list[dict[str, Any]]:
        """All rows, when what waits was written."""
        self.log.write()
        return [row for path in self.files() for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def logged(shipped: Registry, tmp_path: Path) -> Logged:
    return Logged(shipped.root, tmp_path / "log")


def test_each_row_of_a_request_is_a_row_with_its_answer(logged: Logged) -> None:
    began = time.time()
    answer = logged.predict([ROW, OUTSIDE], **{"x-request-id": "mine"}).get_json()
    logged.predict(OUTSIDE, **{"x-request-id": "another"})
    first, second, third = logged.rows()
    assert began - 1 < first.pop("answered_at").timestamp() < time.time() + 1
    assert first == {
        "request_id": "mine",
        "model": "calories",
        "version": 1,
        "inputs": ROW,
        **{name: pytest.approx(value, 1e-6) for name, value in answer["predictions"][0].items()},
    }
    assert (second["inputs"], second["in_range"]) == (OUTSIDE, False)
    assert (second["request_id"], third["request_id"]) == ("mine", "another")


def test_all_dialects_and_explanations_are_logged_and_refusals_are_not(logged: Logged) -> None:
    logged.client.post("/v1/models/calories:predict", json={"instances": [ROW]})
    logged.client.post("/v2/models/calories/infer", json={"inputs": TENSORS})
    logged.client.post("/explain", json=ROW)
    logged.predict({"sugar": "much"})
    logged.client.get("/readyz")
    assert [row["inputs"] for row in logged.rows()] == [ROW] * 3


@pytest.mark.parametrize("model", ["one", "sixty", "bare"])
def test_the_log_of_any_table_has_its_inputs_and_what_is_answered(
    any_table: Registry, tmp_path: Path, model: str
) -> None:
    logged = Logged(any_table.root, tmp_path / "log")
    row = dict.fromkeys(any_table.manifest(model, 1).input_names, -1.5)
    answer = logged.predict(row, f"?model={model}").get_json()
    [found] = logged.rows()
    assert found["inputs"] == row
    assert found.keys() == {"answered_at", "request_id", "inputs", *answer}
    assert found["price"] == pytest.approx(answer["price"], 1e-6)


def test_nothing_is_written_for_nothing(logged: Logged) -> None:
    logged.log.write()
    assert not logged.folder.exists()


def test_a_reader_never_sees_half_a_file(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    write = pq.write_table

    def looking(table: Any, where: Path, **options: Any) -> None:
        write(table, where, **options)
        seen.append([path.name for path in logged.files() if not path.name.startswith(".")])

    monkeypatch.setattr(pq, "write_table", looking)
    logged.predict()
    logged.log.write()
    assert seen == [[]]
    assert [path.suffix for path in logged.files()] == [".parquet"]


def test_more_rows_than_may_wait_are_dropped_counted_and_answered(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "MOST_BYTES", 6_000_000)  # a row of these takes 25
    many = {name: [1] * 100_000 for name in ROW}
    assert [logged.predict(many).status_code for _ in range(3)] == [200] * 3
    assert logged.dropped == [100_000]
    logged.log.write()
    assert sum(pq.read_metadata(path).num_rows for path in logged.files()) == 200_000
    logged.predict(many)  # there is room again
    assert logged.dropped == [100_000]


def test_many_rows_are_written_before_it_is_time(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "WRITE_SECONDS", 3600)
    monkeypatch.setattr(prediction_log, "ENOUGH_BYTES", 1_000_000)
    logged.log.follow()
    logged.predict({name: [1] * 50_000 for name in ROW})
    await_(lambda: bool(logged.files()), "the rows are written")


def test_a_folder_that_cannot_be_written_costs_rows_and_no_request(
    logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    logged.folder.write_text("in the way")
    for _ in range(2):
        assert logged.predict([ROW, ROW]).status_code == 200
        logged.log.write()
    assert logged.dropped == [2, 2]
    assert len([text for text in caplog.messages if "prediction-log failed" in text]) == 1
    logged.folder.unlink()
    logged.predict()
    assert len(logged.rows()) == 1


def aged(path: Path, seconds: float, size: int = 0) -> Path:
    """A file that was written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_the_oldest_files_go_when_there_are_too_many_bytes(logged: Logged) -> None:
    """And what is no file keeps no other one from going."""
    old = aged(logged.folder / "2026-01-01" / "a.parquet", 2000, 6_000_000)
    new = aged(logged.folder / "2026-01-02" / "b.parquet", 1000, 6_000_000)
    (new.parent / "c.parquet").mkdir()
    (new.parent / "d.parquet").symlink_to("nowhere")
    os.mkfifo(new.parent / "e.parquet")
    logged.predict()
    logged.log.write()
    assert not old.parent.exists()
    assert new.exists()
    aged(new, 1000, 12_000_000)
    logged.predict()
    logged.log.write()
    assert not new.exists()
    assert len([*logged.folder.glob("2*/*-*.parquet")]) == 2


def test_drafts_that_somebody_left_behind_go_and_those_in_work_stay(logged: Logged) -> None:
    left = aged(logged.folder / "day" / ".a.parquet", STALE_SECONDS + 60)
    working = aged(logged.folder / "day" / ".b.parquet", 0)
    logged.predict()
    logged.log.write()
    assert not left.exists()
    assert working.exists()


def test_two_workers_have_written_everything_when_the_service_has_stopped(
    tmp_path: Path, shipped_root: Path
) -> None:
    folder = tmp_path / "log"
    with running(tmp_path, DEV_PYTHON, registry=shipped_root, prediction_log=folder) as service:
        await_(lambda: service.output().count("worker_started") == 2, "both workers answer")
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: service.predict({**ROW, "sugar": i}), range(80)))
        metrics = requests.get(f"{service.url}/metrics", timeout=PATIENCE).text
        service.stop()
    assert all(answer.ok for answer in answers)
    assert "calories_prediction_log_dropped_total 0.0" in metrics
    rows = [row for path in folder.glob("*/*.parquet") for row in pq.read_table(path).to_pylist()]
    assert sorted(row["inputs"]["sugar"] for row in rows) == list(range(80))
    assert {row["request_id"] for row in rows} == {each.headers["x-request-id"] for each in answers}


def test_each_version_has_a_file_with_its_own_inputs_also_when_it_comes_back_with_others(
    tmp_path: Path, registry: Registry, shipped: Registry
) -> None:
    place = registry.root / "m" / "1"

    def put(source: str) -> None:
        """Version 1 of `m` is a copy of another model, whatever it was before."""
        shutil.rmtree(place, ignore_errors=True)
        app.host.refresh()
        shutil.copytree(shipped.folder(source, 1), place)
        manifest = json.loads((place / MANIFEST).read_text())
        (place / MANIFEST).write_text(json.dumps({**manifest, "model": "m"}))
        app.host.refresh()

    shutil.copytree(shipped.folder("calories", 1), registry.root / "calories" / "1")
    app = Logged(registry.root, tmp_path / "log")
    app.predict()
    put("linear-unit")
    assert app.predict({"sugar": 5}, "?model=m").status_code == 200
    app.predict()
    put("linear")
    assert app.predict(ROW, "?model=m").status_code == 200
    found = sorted((row["model"], row["version"], *row["inputs"]) for row in app.rows())
    assert found == [("calories", 1, *ROW)] * 2 + [("m", 1, "sugar"), ("m", 1, *ROW)]
    names = sorted(path.name.rsplit("-", 2)[0] for path in app.files())
    assert names == ["calories-1", "m-1", "m-1"]
    assert app.dropped == []


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"PREDICTION_LOG: .* cannot be written: "):
        check(Settings(prediction_log=tmp_path / "file" / "log"))
