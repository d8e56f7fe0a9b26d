"""Versions change under a real server of two workers: what is served changes in both of them.

What a disk does to a registry meanwhile: tests/models/test_disk.py, tests/server/test_faults.py.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from models.publish import import_version
from models.registry import Registry
from service.server.signals import Signals
from tests.servers import PATIENCE, ROW, Server, await_, running
from tests.soak.load import loaded

MODEL = "linear"


@dataclass(frozen=True)
class Shelf:
    """A registry, and a server that looks at it when it is told to and never else."""

    server: Server
    registry: Registry
    shipped: Path

    def publish(self, *, promote: bool = True) -> int:
        return import_version(self.registry, self.shipped, promote=promote).version

    def look(self) -> None:
        self.server.process.send_signal(signal.SIGHUP)

    def versions(self, key: str = "") -> set[int]:
        """The versions of ten answers, each on a connection of its own."""
        url, headers = f"{self.server.url}/predict", {"X-Canary-Key": key} if key else {}
        asked = [requests.post(url, json=ROW, headers=headers, timeout=PATIENCE) for _ in range(10)]
        return {int(answer.json()["version"]) for answer in asked}

    def told(self, words: str) -> None:
        await_(lambda: self.server.output().count(words) == 2, f"both workers tell: {words}")

    def is_served(self, version: int) -> None:
        await_(lambda: self.versions() == {version}, f"version {version} answers everywhere")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("live")
    registry = Registry(folder / "registry")
    registry.root.mkdir()
    version = shipped.folder(MODEL, 1)
    import_version(registry, version)
    settings = {"registry": registry.root, "default_model": MODEL, "poll_seconds": 3600}
    with running(folder, workers=2, **settings) as server:
        shelf = Shelf(server, registry, version)
        shelf.told("worker_started")
        yield shelf
        assert "Traceback" not in server.output()


def test_sighup_makes_the_workers_look_at_once_and_loses_no_request(shelf: Shelf) -> None:
    workers = shelf.server.workers()
    with loaded(shelf.server.port) as load:
        for _ in range(3):
            version = shelf.publish()
            shelf.look()
            shelf.is_served(version)
    assert shelf.server.workers() == workers
    assert {status for status, _ in load.answers} == {200}
    shelf.registry.rollback(MODEL)
    shelf.look()
    shelf.is_served(version - 1)


def test_a_worker_that_has_just_ended_keeps_nobody_from_being_told() -> None:
    ended = multiprocessing.get_context("fork").Process()
    ended.start()
    ended.join()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    Signals().look([ended.pid or 0])  # which raises nothing, and blocks a signal here
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_a_canary_key_meets_one_version_in_all_workers(shelf: Shelf) -> None:
    stable, canary = shelf.registry.labels(MODEL)["stable"], shelf.publish(promote=False)
    shelf.registry.set_label(MODEL, "canary", canary, percent=50)
    shelf.look()
    shelf.told(f"'canary' of {MODEL} is at version {canary}.")
    found = [shelf.versions(str(key)) for key in range(12)]
    assert all(len(each) == 1 for each in found)
    assert set.union(*found) == {stable, canary}
