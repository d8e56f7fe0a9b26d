"""Versions change under real servers: what the operator does reaches every worker."""

import multiprocessing
import signal
from pathlib import Path

import numpy as np
import pytest
import requests

from models.__main__ import main
from models.publish import import_version
from models.registry import Registry
from service.server.signals import Signals
from tests.servers import ROW, Server, await_, running
from tests.soak.run import Plan, loaded

FORK = multiprocessing.get_context("fork")
LATER = 3600  # seconds between two looks: never, in a test


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Registry:
    """A registry with two versions of `calories`."""
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1))
    return registry


def everywhere(server: Server, version: int) -> bool:
    """Whether twenty requests on connections of their own are all answered by `version`."""
    return {server.predict().json()["version"] for _ in range(20)} == {version}


@pytest.mark.parametrize("kind", ["loop"])
def test_a_rollback_reaches_every_worker(tmp_path: Path, shelf: Registry, kind: str) -> None:
    with running(tmp_path, server=kind, workers=3, registry=shelf.root) as server:
        assert everywhere(server, 2)
        assert main(["--registry", str(shelf.root), "rollback", "calories"]) == 0
        await_(lambda: everywhere(server, 1), "version 1 answers everywhere")


@pytest.mark.parametrize("kind", ["loop"])
def test_sighup_makes_the_workers_look_at_once_and_loses_no_request(
    tmp_path: Path, shelf: Registry, shipped: Registry, kind: str
) -> None:
    with running(
        tmp_path, server=kind, workers=2, registry=shelf.root, poll_seconds=LATER
    ) as server:
        workers = server.workers()
        out = tmp_path / "samples.txt"
        with loaded(server.port, Plan(1, 1, 1, connections=4, pause=0.005), out):
            for version in (3, 4, 5):
                import_version(shelf, shipped.folder("calories", 1))
                server.process.send_signal(signal.SIGHUP)
                await_(lambda version=version: everywhere(server, version), "it is served")  # type: ignore[misc]
        assert server.workers() == workers
    assert set(np.loadtxt(out)[:, 2]) == {200}


def look_at_one_that_has_ended() -> None:
    worker = FORK.Process()
    worker.start()
    worker.join()
    Signals().look([worker.pid or 0])


def test_a_worker_that_has_just_ended_keeps_nobody_from_being_told() -> None:
    server = FORK.Process(target=look_at_one_that_has_ended)
    server.start()
    server.join()
    assert server.exitcode == 0


@pytest.mark.parametrize("kind", ["loop"])
def test_a_canary_key_meets_one_version_in_all_workers(
    tmp_path: Path, shelf: Registry, kind: str
) -> None:
    shelf.set_label("calories", "canary", 1, percent=50)
    with running(tmp_path, server=kind, workers=3, registry=shelf.root) as server:

        def versions(key: str) -> set[int]:
            headers = {"X-Canary-Key": key}
            url = f"{server.url}/predict"
            answers = [requests.post(url, json=ROW, headers=headers, timeout=60) for _ in range(9)]
            return {answer.json()["version"] for answer in answers}

        found = [versions(str(key)) for key in range(12)]
    assert all(len(each) == 1 for each in found)
    assert set.union(*found) == {1, 2}
