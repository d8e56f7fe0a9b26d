"""Metrics: counted in every worker, summed at the scrape, kept when a worker dies."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
from service.app import create_app, create_host
from service.config import Settings
from service.metrics import BUCKETS
from tests.serving import PATIENCE, ROW, Server, await_, running

SHARED = Path("/dev/shm")  # noqa: S108  where the service puts its own folder
REQUESTS = 'calories_requests_total{route="/predict",status="200"}'
ROWS = 'calories_rows_total{model="calories",version="1",label=""}'
LINE = re.compile(r'[a-z_]+\{([a-z]+="(\\.|[^"\\])*",?)*\} [0-9.e+-]+')


def value(text: str, series: str) -> float:
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(series))


def scrape(server: Server) -> str:
    return requests.get(f"{server.url}/metrics", timeout=PATIENCE).text


@pytest.fixture(params=["gunicorn", "granian"])
def server(request: pytest.FixtureRequest, tmp_path: Path, shipped_root: Path) -> Iterator[Server]:
    settings = {"workers": 3, "registry": shipped_root, "server": request.param}
    with running(tmp_path, **settings) as server:
        yield server


def test_requests_and_rows_of_all_workers_are_summed(server: Server) -> None:
    for _ in range(30):
        server.predict()
    server.predict([ROW] * 7)
    await_(lambda: value(scrape(server), REQUESTS) == 31, "all 31 requests are counted")
    assert value(scrape(server), ROWS) == 37


def test_what_a_killed_worker_counted_is_kept(server: Server) -> None:
    for _ in range(20):
        server.predict()
    await_(lambda: value(scrape(server), REQUESTS) == 20, "all 20 requests are counted")
    before = server.workers()
    os.kill(before[-1], signal.SIGKILL)
    await_(lambda: before[-1] not in server.workers(), "the worker is gone")
    await_(server.answers, "the service answers")
    assert value(scrape(server), REQUESTS) >= 20


def test_nothing_is_left_when_the_service_ends(server: Server) -> None:
    scrape(server)
    [folder] = {file.parent for file in SHARED.glob("calories-*/*.json") if _of(server, file)}
    assert server.stop() == 0
    assert not folder.exists()


def _of(server: Server, file: Path) -> bool:
    return int(file.name.partition("-")[0]) in server.workers()


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Registry:
    """Two versions of `calories`, the second damaged, and a canary of the first."""
    import_version(registry, shipped.folder("calories", 1))
    import_version(registry, shipped.folder("calories", 1), promote=False)
    (registry.folder("calories", 2) / "model.tflite").write_bytes(b'"\\\n')
    registry.set_label("calories", "canary", 1, percent=25)
    return registry


def test_states_reasons_and_shares_are_told(shelf: Registry) -> None:
    settings = Settings(registry=shelf.root)
    client = create_app(settings, create_host(settings)).test_client()
    text = client.get("/metrics").text
    assert 'calories_version_info{model="calories",version="1",state="loaded",reason=""} 1' in text
    assert re.search(r'version="2",state="failed",reason="[^"]*model\.tflite is not the file', text)
    assert 'calories_label_version{model="calories",label="stable"} 1' in text
    assert 'calories_label_percent{model="calories",label="canary"} 25' in text


def test_a_canarys_rows_are_told_from_those_of_stable(shelf: Registry) -> None:
    settings = Settings(registry=shelf.root)
    client = create_app(settings, create_host(settings)).test_client()
    for key in range(100):
        client.post("/predict", json=ROW, headers={"X-Canary-Key": str(key)})
    text = client.get("/metrics").text
    canary = value(text, 'calories_rows_total{model="calories",version="1",label="canary"}')
    assert 5 < canary < 60
    assert canary + value(text, ROWS) == 100


def test_every_line_is_of_the_text_format(shelf: Registry) -> None:
    settings = Settings(registry=shelf.root)
    client = create_app(settings, create_host(settings)).test_client()
    client.post("/predict", json=ROW)
    client.get("/nowhere")
    for line in client.get("/metrics").text.splitlines():
        assert line.startswith("# ") or LINE.fullmatch(line), line


def test_the_buckets_of_the_histogram_hold_all_requests(shelf: Registry) -> None:
    settings = Settings(registry=shelf.root)
    client = create_app(settings, create_host(settings)).test_client()
    for _ in range(3):
        client.post("/predict", json=ROW)
    text = client.get("/metrics").text
    buckets = re.findall(r'_bucket\{route="/predict",le="([^"]+)"\} (\d+)', text)
    assert [bound for bound, _ in buckets] == [*map(str, BUCKETS), "+Inf"]
    counts = [int(count) for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == 3
