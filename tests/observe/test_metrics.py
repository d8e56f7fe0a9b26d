"""Metrics: counted in every worker, summed at the scrape, kept when a worker dies."""

import os
import re
import signal
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import requests
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser
from prometheus_client.parser import text_string_to_metric_families as plain

from models.manifest import Input, Manifest, Output
from models.publish import import_version, prune
from models.registry import Registry
from service.app import create_app, create_host
from service.observe.metrics import MOST_RECORDS, Metrics, families, retention
from service.observe.metrics.families import FAMILIES, SECONDS, key
from service.observe.metrics.retention import Retention
from service.observe.metrics.slots import Slot, living
from service.observe.metrics.tally import SeriesKey, Tally
from service.settings import Settings
from tests.fuzz.doors import ADMIN, DIGESTS, PREDICT
from tests.observe.conftest import Serve
from tests.servers import PATIENCE, ROW, Server, await_, running

CALORIES = {"model": "calories", "version": "1"}
PREDICTED = {"dialect": "native", "route": "/predict", "status": "200", **CALORIES}


def value(text: str, name: str, **labels: str) -> float:
    """The sum of the samples of this name with these labels."""
    return sum(
        sample.value
        for family in plain(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def series(text: str) -> set[tuple[str, ...]]:
    return {
        (sample.name, *map(str, sample.labels.items()))
        for family in plain(text)
        for sample in family.samples
    }


def scrape(server: Server) -> str:
    """What is told; nothing while nobody answers."""
    with suppress(requests.ConnectionError):
        return requests.get(f"{server.url}/metrics", timeout=PATIENCE).text
    return ""


def told(server: Server, name: str, **labels: str) -> float:
    return value(scrape(server), name, **labels)


def folder(server: Server) -> Path:
    """Where a worker has its lock, and all have their counts."""
    opened = Path(f"/proc/{server.workers()[0]}/fd").iterdir()
    return next(it.resolve().parent for it in opened if it.resolve().suffix == ".lock")


def test_counts_of_all_workers_are_summed_outlive_them_and_leave_nothing(
    tmp_path: Path, shipped_root: Path
) -> None:
    with running(tmp_path, workers=3, registry=shipped_root) as server:
        for _ in range(30):
            server.predict()
        server.predict([ROW] * 7, "?model=deep")
        requests_ = "calories_requests_total"
        await_(lambda: told(server, requests_, status="200", route="/predict") == 31, "all 31")
        await_(lambda: told(server, "calories_workers") == 3, "every worker is there")
        loads = {"outcome": "loaded"}
        await_(lambda: told(server, "calories_loads_total", **loads) >= 3 * 4, "and its loads")
        assert told(server, "calories_rows_total") == 37
        assert told(server, "process_resident_memory_bytes") > 3 * 20e6

        shared = folder(server)
        kill_workers_under_load(server, shared)
        text = scrape(server)
        assert value(text, "calories_rows_total", model="deep") == 7
        assert value(text, "calories_workers") == 3
        assert len(list(shared.glob("worker-*.lock"))) == 3
        assert len([each for each in series(text) if each[0] == "process_threads"]) == 3

        assert server.stop() == 0
        assert not shared.exists()


def kill_workers_under_load(server: Server, shared: Path) -> None:
    """And see that no counter falls meanwhile."""
    over, seen, processor = threading.Event(), [0.0], [0.0]

    def ask() -> None:
        while not over.wait(0.005):
            with suppress(requests.ConnectionError):  # of the one that was being answered
                server.predict()

    def look() -> float:
        """What was not answered is no look."""
        if text := scrape(server):
            seen.append(value(text, "calories_requests_total", **PREDICTED))
            processor.append(value(text, "process_cpu_seconds_total"))
        return seen[-1] if text else 0

    load = threading.Thread(target=ask)
    load.start()
    try:
        for _ in range(3):
            enough = look() + 20
            await_(lambda enough=enough: look() > enough, "requests are counted")  # type: ignore[misc]
            kill_one(server, shared)
            await_(lambda: look() > 0, "a scrape is answered")
    finally:
        over.set()
        load.join()
    assert seen == sorted(seen)
    assert processor == sorted(processor)


def kill_one(server: Server, shared: Path) -> None:
    """SIGKILL a worker, and wait for the one that takes its place."""
    victim = server.workers()[-1]
    os.kill(victim, signal.SIGKILL)

    def replaced() -> bool:
        workers = {*server.workers()}
        holding = {*living(shared).values()}
        return victim not in workers and len(workers) == 3 and holding == workers

    await_(replaced, "another has taken its place")


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Registry:
    """Two versions of `calories`, the second damaged, and a canary of the first."""
    import_version(registry, shipped.folder("calories", 1))
    import_version(registry, shipped.folder("calories", 1), promote=False)
    (registry.folder("calories", 2) / "model.tflite").write_bytes(b'"\\\n')
    registry.set_label("calories", "canary", 1, percent=25)
    return registry


def test_states_reasons_loads_and_shares_are_told(serve: Serve, shelf: Registry) -> None:
    text = serve(shelf.root).get("/metrics").text
    assert value(text, "calories_version_info", **CALORIES, state="loaded", reason="") == 1
    assert re.search(r'reason="[^"]*model\.tflite is not the file[^"]*",state="failed"', text)
    assert value(text, "calories_label_version", model="calories", label="stable") == 1
    assert value(text, "calories_label_percent", model="calories", label="canary") == 25
    assert value(text, "calories_loads_total", model="calories", outcome="loaded") == 1
    assert value(text, "calories_loads_total", model="calories", outcome="failed") == 1
    assert value(text, "calories_load_seconds_count", model="calories") == 2
    created = shelf.manifest("calories", 1).created.timestamp()
    assert value(text, "calories_label_created_timestamp_seconds", label="stable") == created


def test_a_canarys_rows_are_told_from_those_of_stable(serve: Serve, shelf: Registry) -> None:
    asked = serve(shelf.root)
    for number in range(100):
        asked.post("/predict", json=ROW, headers={"X-Canary-Key": str(number)})
    text = asked.get("/metrics").text
    canary = value(text, "calories_rows_total", label="canary", **CALORIES)
    assert 5 < canary < 60
    assert canary + value(text, "calories_rows_total", label="", **CALORIES) == 100


def test_requests_are_told_by_dialect_version_and_status(serve: Serve) -> None:
    asked = serve()
    asked.post("/predict", json={"sugar": -1})
    asked.post("/v1/models/deep:predict", json={"instances": [ROW]})
    data = [{"name": name, "datatype": "FP32", "shape": [1], "data": [1]} for name in ROW]
    asked.post("/v2/models/linear/versions/1/infer", json={"inputs": data})
    asked.post("/explain", json=ROW)
    asked.get("/nowhere")
    text = asked.get("/metrics").text
    for labels in (
        {"dialect": "native", "route": "/predict", "model": "calories", "status": "422"},
        {"dialect": "tfserving", "model": "deep", "version": "1", "status": "200"},
        {"dialect": "v2", "model": "linear", "version": "1", "status": "200"},
        {"dialect": "native", "route": "/explain", "model": "calories", "status": "200"},
        {"status": "404", "model": "", "version": ""},
    ):
        assert value(text, "calories_requests_total", **labels) == 1, labels
    for dialect in ("native", "tfserving", "v2"):
        assert value(text, "calories_request_rows_count", dialect=dialect) == 1


def test_no_client_can_make_series_at_will(serve: Serve) -> None:
    asked = serve()

    def strange(i: int) -> None:
        asked.get(f"/nowhere/{i}", headers={"X-Request-Id": f"id{i}", "X-Canary-Key": str(i)})
        asked.post(f"/predict?model=m{i}", json=ROW)
        asked.post(f"/predict?version={i + 100}", json=ROW)
        asked.post(f"/predict?label=l{i}", json=ROW)
        asked.get(f"/models/m{i}/{i}")
        asked.post(f"/v1/models/m{i}:predict", json={})
        asked.get(f"/w{i}/x")
        asked.post(f"/v2/models/m{i}/versions/{i}/infer", json={})
        asked.open("/predict", method=f"M{i}")

    strange(0)
    asked.get("/metrics")
    before = series(asked.get("/metrics").text)
    for i in range(1, 10):
        strange(i)
    assert series(asked.get("/metrics").text) == before


def test_what_the_gate_refuses_is_counted_by_reason(serve: Serve) -> None:
    asked = serve(**DIGESTS, rate_limit=2.0, max_body_bytes=1024)
    asked.post("/predict", json=ROW)
    for _ in range(5):
        asked.post("/predict", data=b" " * 2000, headers={"X-API-Key": PREDICT})
    text = asked.get("/metrics", headers={"X-API-Key": ADMIN}).text
    assert value(text, "calories_refused_total", reason="unauthorized") == 1
    assert value(text, "calories_refused_total", reason="body_too_large") >= 1
    assert value(text, "calories_refused_total", reason="rate_limited") >= 1


def open_metrics(asked: FlaskClient) -> list[object]:
    """The families, as OpenMetrics' parser takes them."""
    told = asked.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert told.content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert told.text.endswith("# EOF\n")
    return list(parser.text_string_to_metric_families(told.text))  # type: ignore[no-untyped-call]


def buckets(text: str, name: str, **labels: str) -> dict[float, float]:
    """How many are told up to each bound."""
    return {
        float(sample.labels["le"]): sample.value
        for family in plain(text)
        for sample in family.samples
        if sample.name == f"{name}_bucket" and labels.items() <= sample.labels.items()
    }


@pytest.mark.parametrize("model", ["one", "thirteen", "sixty", "bare"])
def test_inputs_and_predictions_of_any_table_fall_into_the_buckets_of_their_version(
    serve: Serve, any_table: Registry, model: str
) -> None:
    card, asked = any_table.manifest(model, 1), serve(any_table.root, default_model=model)
    rng, names = np.random.default_rng(0), card.input_names
    columns = {name: rng.normal(0, 4, 500).astype(np.float32) for name in names}
    body = {name: column.tolist() for name, column in columns.items()}
    price = np.array(asked.post("/predict", json=body).json["price"], np.float32)  # type: ignore[index]
    text = asked.get("/metrics").text
    of = {"model": model, "version": "1"}
    told = {"calories_prediction": (price, buckets(text, "calories_prediction", **of))}
    for name in names:
        found = buckets(text, "calories_input", input=name, **of)
        assert bool(found) == (model != "bare")
        told |= {name: (columns[name], found)} if found else {}
    for values, found in told.values():
        assert found == {bound: (values <= np.float32(bound)).sum() for bound in found}
        assert found[np.inf] == 500
        assert min(found) < 0
    for name, (low, high, _) in zip(names, card.seen, strict=bool(card.seen)):
        outside = (columns[name] < low) | (columns[name] > high)
        out = "calories_input_out_of_range_total"
        assert value(text, out, input=name, **of) == outside.sum()
    # The sum of what may be below 0 would be no counter, and OpenMetrics refuses it.
    assert not re.search("calories_(prediction|input|training_input)_(sum|count)", text)
    assert len(open_metrics(asked)) == len(FAMILIES)


@given(
    st.floats(-(2.0**126), 2.0**126, width=32),
    st.floats(0, 2.0**126, width=32),
    st.lists(st.floats(0, 1), max_size=5),
)
def test_the_buckets_of_predictions_rise_and_reach_beyond_what_training_saw(
    low: float, spread: float, parts: list[float]
) -> None:
    high = low + spread
    levels = {f"0.{i + 1}": low + part * spread for i, part in enumerate(sorted(parts))}
    output = Output(name="price", min=low, max=high, mean=(low + high) / 2, quantiles=levels)
    bounds = families.around(output)
    assert list(bounds) == sorted(set(bounds))
    assert {low, high, *levels.values()} <= {*bounds}
    assert sum(bound < low for bound in bounds) > 0 < sum(bound > high for bound in bounds)
    Tally().observe([SeriesKey("calories_prediction", (), bounds)], np.array([[low]], np.float32))


def test_what_nobody_knows_of_is_counted_on_a_scale_of_any_numbers() -> None:
    bounds = families.around(Output(name="price"))
    assert list(bounds) == sorted(bounds) == [-bound for bound in reversed(bounds)]


def test_of_many_inputs_the_first_are_counted(card: Manifest) -> None:
    many = [Input(name=f"x{i}", min=0, max=1, mean=0.5) for i in range(256)]
    counted = families.input_series(card.model_copy(update={"inputs": tuple(many)}))
    names = [each.values.labels[-1] for each in counted]
    assert names == [f"x{i}" for i in range(families.MOST_INPUTS)]


def test_the_training_data_is_told_in_the_same_buckets(serve: Serve, shipped: Registry) -> None:
    asked = serve()
    asked.post("/predict", json=ROW)
    text, labels = asked.get("/metrics").text, {**CALORIES, "input": "sugar"}
    trained = buckets(text, "calories_training_input", **labels)
    assert trained[7.0] == trained[np.inf] / 2 == 38
    assert trained.keys() == buckets(text, "calories_input", **labels).keys()


def test_every_request_of_many_threads_is_counted_once_and_in_the_buckets(serve: Serve) -> None:
    app = serve().application
    times = MOST_RECORDS // 2

    def ask() -> None:
        asked = app.test_client()
        for _ in range(times):
            asked.post("/predict", json=ROW)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = app.test_client().get("/metrics").text
    assert value(text, "calories_requests_total", **PREDICTED) == 4 * times
    assert value(text, "calories_prediction_bucket", le="+Inf") == 4 * times
    buckets = re.findall(r'request_seconds_bucket\{dialect="native",le="([^"]+)"\} ([\d.]+)', text)
    assert [float(bound) for bound, _ in buckets] == [*SECONDS, float("inf")]
    counts = [float(count) for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == 4 * times


ROWS_OF_1 = key("calories_rows_total", "calories", "1", "")
TOLD = retention.TOLD_SECONDS


def test_counts_of_a_version_that_is_served_no_more_are_told_for_a_while_and_then_forgotten(
    shelf: Registry,
) -> None:
    models, kept = create_host(Settings(registry=shelf.root)).models, Retention(began=0)
    kept.see(models, now=1000)
    assert kept.keeps(ROWS_OF_1, now=1000 + 2 * TOLD - 1)
    kept.see({}, now=1000 + TOLD - 1)
    assert kept.tells(ROWS_OF_1, now=1000 + TOLD - 1)
    assert not kept.tells(ROWS_OF_1, now=1000 + TOLD)
    kept.see({}, now=1000 + 2 * TOLD)
    assert not kept.keeps(ROWS_OF_1, now=1000 + 2 * TOLD)


def test_a_new_worker_does_not_tell_what_others_may_have_forgotten() -> None:
    # Prometheus would take a part of the sum for a new beginning.
    kept = Retention(began=1000)
    assert not kept.tells(ROWS_OF_1, now=1000)
    assert kept.keeps(ROWS_OF_1, now=1000 + 2 * TOLD - 1)
    assert not kept.keeps(ROWS_OF_1, now=1000 + 2 * TOLD)
    for of_no_version in (
        key("calories_refused_total", "overloaded"),
        key("calories_requests_total", "native", "/predict", "", "", "404"),
        key("calories_loads_total", "calories", "loaded"),
        SeriesKey("of_another_release", ("calories", "1")),
    ):
        assert kept.tells(of_no_version, now=1e9)
        assert kept.keeps(of_no_version, now=1e9)


def test_versions_that_are_gone_leave_no_counts_in_a_worker(
    registry: Registry, shipped: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "TOLD_SECONDS", 0.05)
    import_version(registry, shipped.folder("calories", 1))
    host = create_host(Settings(registry=registry.root))
    metrics = Metrics(host)
    asked = create_app(Settings(registry=registry.root), host, metrics).test_client()
    asked.post("/predict", json=ROW)
    asked.get("/nowhere")
    assert value(asked.get("/metrics").text, "calories_rows_total", **CALORIES) == 1
    import_version(registry, shipped.folder("calories", 1))
    prune(registry, "calories", keep=1)
    host.refresh()

    def left() -> set[str]:
        metrics.flush()
        return {label for each, _ in metrics._tally for label in each.labels} & {"1", "404"}

    await_(lambda: left() == {"404"}, "version 1 is forgotten, and what chose none is not")


def test_openmetrics_is_spoken_to_who_asks_for_it(serve: Serve, shelf: Registry) -> None:
    asked = serve(shelf.root)
    asked.post("/predict", json=ROW)
    assert len(open_metrics(asked)) == len(FAMILIES)


def test_a_worker_goes_on_from_the_counts_of_the_one_before_in_its_slot(tmp_path: Path) -> None:
    counter = SeriesKey("calories_refused_total", ("overloaded",))
    for life in range(1, 4):
        slot = Slot(tmp_path)
        assert slot.number == 0
        tally = Tally.read(slot.file)
        tally.add(counter)
        tally.write(slot.file)
        assert [(each, numbers.tolist()) for each, numbers in tally] == [(counter, [life])]
        slot.close()
    assert len(list(tmp_path.glob("worker-*"))) == 2


def test_two_workers_never_share_a_slot(tmp_path: Path) -> None:
    first, second = Slot(tmp_path), Slot(tmp_path)
    assert (first.number, second.number) == (0, 1)
    assert living(tmp_path) == {0: os.getpid(), 1: os.getpid()}
    first.close()
    assert living(tmp_path) == {1: os.getpid()}
    second.close()


def test_a_folder_that_cannot_be_had_costs_no_request(
    tmp_path: Path, shipped_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    given = Settings(registry=shipped_root)
    host = create_host(given)
    app = create_app(given, host, Metrics(host, tmp_path / "file"))
    assert app.test_client().post("/predict", json=ROW).status_code == 200
    text = app.test_client().get("/metrics").text
    assert value(text, "calories_requests_total", **PREDICTED) == 1
    assert "cannot be shared" in caplog.text
