"""Versions change, and disks fail, under real servers: what is served goes on in every worker."""

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from models.__main__ import main
from models.publish import import_version
from models.registry import Registry
from service.server.signals import Signals
from tests.conftest import mounted
from tests.servers import DEV_PYTHON, ROW, Server, await_, run, running
from tests.soak.load import loaded

MODEL = "linear"
# Root without its right to read what it may not, as any other user is.
LIKE_ANYONE = "setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else ""
LATER = 3600  # seconds between two looks: never, in a test


@dataclass(frozen=True)
class Shelf:
    """A registry that a server of two workers follows, and a version to publish in it."""

    server: Server
    registry: Registry
    shipped: Path

    def publish(self) -> subprocess.CompletedProcess[str]:
        """As an operator does."""
        where = ("--registry", self.registry.root)
        return run(DEV_PYTHON, "-m", "models", *where, "import", self.shipped, check=False)

    def look(self) -> None:
        self.server.process.send_signal(signal.SIGHUP)

    def answers(self) -> set[tuple[int, int | None]]:
        """The status and version of twenty answers, each on a connection of its own."""
        answers = [self.server.predict() for _ in range(20)]
        return {(answer.status_code, answer.json().get("version")) for answer in answers}

    def is_served(self, version: int) -> None:
        await_(lambda: self.answers() == {(200, version)}, f"version {version} answers everywhere")

    def told(self, words: str, times: int) -> None:
        await_(lambda: self.server.output().count(words) >= times, f"the log tells: {words}")


@contextmanager
def serving(folder: Path, root: Path, shipped: Registry, poll: float) -> Iterator[Shelf]:
    registry, version = Registry(root), shipped.folder(MODEL, 1)
    import_version(registry, version)
    settings: dict[str, Any] = {
        "workers": 2,
        "registry": root,
        "default_model": MODEL,
        "poll_seconds": poll,
    }
    with running(folder, under=LIKE_ANYONE, **settings) as server:
        shelf = Shelf(server, registry, version)
        shelf.told("worker_started", 2)
        yield shelf
        assert "Traceback" not in server.output()


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Shelf]:
    """On a small disk of its own, which is looked at often."""
    folder = tmp_path_factory.mktemp("served")
    with mounted(folder / "disk") as disk, serving(folder, disk, shipped, 0.05) as shelf:
        yield shelf


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Iterator[Shelf]:
    """One that is looked at when the server is told to."""
    folder = tmp_path_factory.mktemp("told")
    (folder / "registry").mkdir()
    with serving(folder, folder / "registry", shipped, LATER) as shelf:
        yield shelf


@contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"1" * 4096)
    yield
    filler.unlink()


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)  # noqa: S607
    yield
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)  # noqa: S607


@pytest.mark.parametrize(
    ("trouble", "said"),
    [(full, "No space left on device"), (read_only, "Read-only file system")],
    ids=["full", "read-only"],
)
def test_a_publish_is_refused_what_is_served_goes_on_and_the_next_one_is_served(
    on_disk: Shelf, trouble: Callable[[Path], AbstractContextManager[None]], said: str
) -> None:
    latest, root = on_disk.registry.latest(MODEL), on_disk.registry.root
    on_disk.is_served(latest)
    with trouble(root):
        ended = on_disk.publish()  # which takes as long as many looks at the registry
        assert on_disk.answers() == {(200, latest)}
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"models: Nothing was published in {root / MODEL}: {said}.\n"
    assert on_disk.publish().returncode == 0
    on_disk.is_served(latest + 1)


def test_sighup_makes_the_workers_look_at_once_and_loses_no_request(shelf: Shelf) -> None:
    workers = shelf.server.workers()
    with loaded(shelf.server.port) as load:
        for _ in range(3):
            version = import_version(shelf.registry, shelf.shipped).version
            shelf.look()
            shelf.is_served(version)
    assert shelf.server.workers() == workers
    assert {status for status, _ in load.answers} == {200}
    assert main(["--registry", str(shelf.registry.root), "rollback", MODEL]) == 0
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
    stable = shelf.registry.labels(MODEL)["stable"]
    canary = import_version(shelf.registry, shelf.shipped, promote=False).version
    shelf.registry.set_label(MODEL, "canary", canary, percent=50)
    shelf.look()
    shelf.told(f"'canary' of {MODEL} is at version {canary}.", 2)

    def versions(key: str) -> set[int]:
        headers, url = {"X-Canary-Key": key}, f"{shelf.server.url}/predict"
        answers = [requests.post(url, json=ROW, headers=headers, timeout=60) for _ in range(9)]
        return {answer.json()["version"] for answer in answers}

    found = [versions(str(key)) for key in range(12)]
    shelf.registry.remove_label(MODEL, "canary")
    shelf.look()
    assert all(len(each) == 1 for each in found)
    assert set.union(*found) == {stable, canary}


def test_a_registry_that_may_not_be_read_changes_nothing_but_for_workers_that_start_then(
    shelf: Shelf,
) -> None:
    stable = shelf.registry.labels(MODEL)["stable"]
    shelf.look()
    shelf.is_served(stable)
    shelf.registry.root.chmod(0)
    shelf.look()
    shelf.told("cannot be read, what is loaded goes on", 2)
    assert shelf.answers() == {(200, stable)}
    for worker in shelf.server.workers():
        os.kill(worker, signal.SIGKILL)
    shelf.told("worker_started", 4)
    assert shelf.answers() == {(503, None)}  # not ready, and nothing is denied
    shelf.registry.root.chmod(0o755)
    shelf.look()
    shelf.is_served(stable)
    assert shelf.publish().returncode == 0
    shelf.look()
    shelf.is_served(shelf.registry.latest(MODEL))
