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
from models.publish import import_version
from models.registry import Registry
from service.app import create_app, create_host
from service.observe.installed import Unavailable, check
from service.observe.metrics import Metrics
from service.observe.prediction_log import ENOUGH_ROWS, MOST_ROWS, STALE_SECONDS, PredictionLog
from service.settings import Settings
from tests.servers import DEV_PYTHON, PATIENCE, ROW, SERVICE_PYTHON, await_, run, running

OUTSIDE = {"sugar": 500, "fiber": 1, "protein": 2}


class Logged:
    """An app in this process, with a log that is written when it is told to."""

    def __init__(self, registry: Path, folder: Path, megabytes: int = 10) -> None:
        self.folder = folder
        self.dropped: list[int] = []
        self.log = PredictionLog(folder, megabytes, self.dropped.append)
        settings = Settings(registry=registry)
        host = create_host(settings)
        app = create_app(settings, host, Metrics(host), [self.log])
        self.client = Client(app.wsgi_app, TestResponse)

    def predict(self, body: object = ROW, query: str = "", **headers: str) -> TestResponse:
        return self.client.post(f"/predict{query}", json=body, headers=headers)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*/*"))

    def rows(self) -> list[dict[str, Any]]:
        return [row for path in self.files() for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def logged(shipped: Registry, tmp_path: Path) -> Logged:
    return Logged(shipped.root, tmp_path / "log")


def test_each_row_of_a_request_is_a_row_with_its_answer(logged: Logged) -> None:
    began = time.time()
    answer = logged.predict([ROW, OUTSIDE], **{"x-request-id": "mine"}).get_json()
    logged.log.write()
    first, second = logged.rows()
    assert began - 1 < first.pop("time").timestamp() < time.time() + 1
    assert first == {
        "request_id": "mine",
        "model": "calories",
        "version": 1,
        "inputs": ROW,
        **{name: pytest.approx(value, 1e-6) for name, value in answer["predictions"][0].items()},
    }
    assert (second["inputs"], second["in_range"]) == (OUTSIDE, False)


def test_each_version_has_a_file_with_its_own_inputs(logged: Logged) -> None:
    logged.predict()
    logged.predict({"sugar": 5}, "?model=linear-unit")
    logged.predict()
    logged.log.write()
    assert [path.name.rsplit("-", 2)[0] for path in logged.files()] == [
        "calories-1",
        "linear-unit-1",
    ]
    assert [row["inputs"] for row in logged.rows()] == [ROW, ROW, {"sugar": 5}]


def test_each_row_has_the_id_of_its_request(logged: Logged) -> None:
    logged.predict([ROW, ROW], **{"x-request-id": "two"})
    logged.predict(OUTSIDE, **{"x-request-id": "one"})
    logged.log.write()
    found = [(row["request_id"], row["inputs"]) for row in logged.rows()]
    assert found == [("two", ROW), ("two", ROW), ("one", OUTSIDE)]


def test_all_dialects_and_explanations_are_logged_and_refusals_are_not(logged: Logged) -> None:
    logged.client.post("/v1/models/calories:predict", json={"instances": [ROW]})
    logged.client.post("/explain", json=ROW)
    logged.predict({"sugar": "much"})
    logged.client.get("/readyz")
    logged.log.write()
    assert [row["inputs"] for row in logged.rows()] == [ROW, ROW]


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


def test_more_rows_than_may_wait_are_dropped_counted_and_answered(logged: Logged) -> None:
    many = {name: [1] * 100_000 for name in ROW}
    answers = [logged.predict(many).status_code for _ in range(4)]
    assert answers == [200] * 4
    assert logged.dropped == [100_000] * 2
    assert MOST_ROWS < 300_000
    logged.log.write()
    assert sum(pq.read_metadata(path).num_rows for path in logged.files()) == 200_000
    logged.predict(many)  # there is room again
    assert logged.dropped == [100_000] * 2


def test_many_rows_are_written_before_it_is_time(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.observe.prediction_log.WRITE_SECONDS", 3600)
    logged.log.follow()
    logged.predict({name: [1] * ENOUGH_ROWS for name in ROW})
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
    logged.log.write()
    assert len(logged.rows()) == 1


def test_the_oldest_files_go_when_there_are_too_many_bytes(logged: Logged) -> None:
    old, new = (
        logged.folder / "2026-01-01" / "a.parquet",
        logged.folder / "2026-01-02" / "b.parquet",
    )
    for path, age in ((old, 2000), (new, 1000)):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(6_000_000))
        os.utime(path, (time.time() - age,) * 2)
    logged.predict()
    logged.log.write()
    assert not old.parent.exists()
    assert new.exists()
    assert len(logged.files()) == 2


def test_what_is_no_file_keeps_no_old_file_from_going(logged: Logged) -> None:
    day = logged.folder / "2026-01-01"
    (day / "a.parquet").mkdir(parents=True)
    (day / "b.parquet").symlink_to("nowhere")
    os.mkfifo(day / "c.parquet")
    (day / "d.parquet").write_bytes(bytes(12_000_000))
    for name, age in (("a", 2000), ("c", 2000), ("d", 1000)):
        os.utime(day / f"{name}.parquet", (time.time() - age,) * 2)
    logged.predict()
    logged.log.write()
    assert not (day / "d.parquet").exists()
    assert [path.suffix for path in logged.folder.glob("2*/*-*.parquet")] == [".parquet"]


def test_drafts_that_somebody_left_behind_go_and_those_in_work_stay(logged: Logged) -> None:
    left, working = (logged.folder / "day" / f".{name}.parquet" for name in "ab")
    left.parent.mkdir(parents=True)
    for path, age in ((left, STALE_SECONDS + 60), (working, 0)):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    logged.predict()
    logged.log.write()
    assert not left.exists()
    assert working.exists()


@pytest.mark.parametrize("server", ["loop"])
def test_two_workers_have_written_everything_when_the_service_has_stopped(
    server: str, tmp_path: Path, shipped_root: Path
) -> None:
    settings: dict[str, object] = {"server": server, "registry": shipped_root}
    folder = tmp_path / "log"
    with running(tmp_path, DEV_PYTHON, **settings, prediction_log=folder) as service:
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


def test_a_version_that_comes_back_with_other_inputs_loses_no_rows(
    tmp_path: Path, registry: Registry, shipped: Registry
) -> None:
    def put(source: str) -> None:
        """Version 1 of `m` is a copy of another model, whatever it was before."""
        draft, place = registry.root / ".draft", registry.root / "m" / "1"
        shutil.copytree(shipped.folder(source, 1), draft)
        manifest = json.loads((draft / MANIFEST).read_text())
        (draft / MANIFEST).write_text(json.dumps({**manifest, "model": "m"}))
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        draft.rename(place)

    def asked(row: dict[str, int], query: str = "?model=m") -> bool:
        return service.predict(row, query).ok

    import_version(registry, shipped.folder("calories", 1))
    put("linear-unit")
    folder = tmp_path / "log"
    settings = {"registry": registry.root, "poll_seconds": 0.05, "prediction_log": folder}
    with running(tmp_path, DEV_PYTHON, workers=1, **settings) as service:
        assert asked(ROW, "")
        await_(lambda: asked({"sugar": 5}), "the version answers")
        put("linear")
        await_(lambda: asked(ROW), "the version answers with other inputs")
        text = requests.get(f"{service.url}/metrics", timeout=PATIENCE).text
        service.stop()
    assert "calories_prediction_log_dropped_total 0.0" in text
    rows = [row for path in folder.glob("*/*.parquet") for row in pq.read_table(path).to_pylist()]
    found = sorted((row["model"], row["version"], *row["inputs"]) for row in rows)
    assert found == [("calories", 1, *ROW), ("m", 1, "sugar"), ("m", 1, *ROW)]


def test_without_pyarrow_the_service_does_not_start(tmp_path: Path) -> None:
    given = ("--prediction-log", str(tmp_path), "--port", "1")
    found = run(SERVICE_PYTHON, "-m", "service", *given, check=False)
    assert found.returncode == 1
    assert "pip install --require-hashes -r requirements/bulk.txt." in found.stderr


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"PREDICTION_LOG: .* cannot be written: "):
        check(Settings(prediction_log=tmp_path / "file" / "log"))


def test_without_a_prediction_log_pyarrow_is_not_imported(
    shipped_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY", str(shipped_root))
    modules = "import service.server.wsgi, sys; print('pyarrow' in sys.modules)"
    assert run(DEV_PYTHON, "-c", modules).stdout.split()[-1] == "False"
