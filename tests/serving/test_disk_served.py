"""Real servers over a registry whose disk is full, read-only or unreadable."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.publish import import_version
from models.registry import Registry
from tests.conftest import mounted
from tests.servers import DEV_PYTHON, Server, await_, run, running

# Root without its right to read what it may not, as any other user is.
LIKE_ANYONE = "setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else ""


@dataclass(frozen=True)
class Shelf:
    """A registry that a server follows, and a version to publish in it."""

    server: Server
    registry: Registry
    shipped: Path

    def publish(self) -> subprocess.CompletedProcess[str]:
        """As an operator does."""
        where = ("--registry", self.registry.root)
        return run(DEV_PYTHON, "-m", "models", *where, "import", self.shipped, check=False)

    def answers(self) -> set[tuple[int, int | None]]:
        """The status and version of twenty answers, each on a connection of its own."""
        answers = [self.server.predict() for _ in range(20)]
        return {(answer.status_code, answer.json().get("version")) for answer in answers}

    def is_served(self, version: int) -> None:
        await_(lambda: self.answers() == {(200, version)}, f"version {version} answers everywhere")


@contextmanager
def serving(folder: Path, root: Path, shipped: Registry, kind: str) -> Iterator[Shelf]:
    registry, version = Registry(root), shipped.folder("linear", 1)
    import_version(registry, version)
    with running(
        folder,
        under=LIKE_ANYONE,
        server=kind,
        workers=2,
        registry=root,
        default_model="linear",
        poll_seconds=0.05,
    ) as server:
        await_(lambda: server.output().count("worker_started") == 2, "both workers serve it")
        yield Shelf(server, registry, version)


@pytest.fixture(scope="module")
def on_disk(
    kind: str, tmp_path_factory: pytest.TempPathFactory, shipped: Registry
) -> Iterator[Shelf]:
    """On a small disk of its own."""
    folder = tmp_path_factory.mktemp("served")
    with mounted(folder / "disk") as disk, serving(folder, disk, shipped, kind) as shelf:
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


Trouble = Callable[[Path], AbstractContextManager[None]]
troubled = pytest.mark.parametrize(
    ("trouble", "said"),
    [(full, "No space left on device"), (read_only, "Read-only file system")],
    ids=["full", "read-only"],
)


@troubled
def test_a_publish_is_refused_with_a_sentence(on_disk: Shelf, trouble: Trouble, said: str) -> None:
    with trouble(on_disk.registry.root):
        ended = on_disk.publish()
    where = on_disk.registry.root / "linear"
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"models: Nothing was published in {where}: {said}.\n"


@troubled
def test_what_is_served_goes_on_without_a_traceback(
    on_disk: Shelf, trouble: Trouble, said: str
) -> None:
    latest = on_disk.registry.latest("linear")
    on_disk.is_served(latest)
    with trouble(on_disk.registry.root):
        on_disk.publish()  # which takes as long as many looks at the registry
        assert on_disk.answers() == {(200, latest)}
    assert "Traceback" not in on_disk.server.output()


@troubled
def test_afterwards_what_is_published_is_served(
    on_disk: Shelf, trouble: Trouble, said: str
) -> None:
    with trouble(on_disk.registry.root):
        on_disk.publish()
    before = on_disk.registry.latest("linear")
    assert on_disk.publish().returncode == 0
    on_disk.is_served(before + 1)


def test_a_registry_that_may_not_be_read_changes_nothing(
    kind: str, tmp_path: Path, registry: Registry, shipped: Registry
) -> None:
    with serving(tmp_path, registry.root, shipped, kind) as shelf:
        registry.root.chmod(0)
        told = "cannot be read, what is loaded goes on"
        await_(lambda: shelf.server.output().count(told) == 2, "both workers have looked")
        assert shelf.answers() == {(200, 1)}
        assert "Traceback" not in shelf.server.output()
        registry.root.chmod(0o755)
        assert shelf.publish().returncode == 0
        shelf.is_served(2)


def test_workers_that_start_while_it_may_not_be_read_are_not_ready_and_deny_nothing(
    kind: str, tmp_path: Path, registry: Registry, shipped: Registry
) -> None:
    with serving(tmp_path, registry.root, shipped, kind) as shelf:
        registry.root.chmod(0)
        for worker in shelf.server.workers():
            os.kill(worker, signal.SIGKILL)
        told = "worker_started"
        await_(lambda: shelf.server.output().count(told) == 4, "two others have started")
        assert shelf.answers() == {(503, None)}
        registry.root.chmod(0o755)
        shelf.is_served(1)
