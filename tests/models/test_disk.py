"""What the disk does to the registry: full, unreadable, unmounted, swapped, half-written."""

import multiprocessing
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.__main__ import main
from models.labels import LARGEST
from models.manifest import Manifest
from models.publish import import_version, publish, staging
from models.registry import Registry, RegistryError
from service.errors import NotLoaded
from service.serving.host import Host
from service.serving.version_policy import Policy
from tests.conftest import Publish

FORK = multiprocessing.get_context("fork")
NOBODY = 65534


def host_of(registry: Registry) -> Host:
    host = Host(registry, "litert", Policy(latest=2))
    host.refresh()
    return host


@pytest.fixture
def shelf(shipped: Registry) -> Iterator[Registry]:
    """Two versions of `linear-unit`, one of `linear`, where every user may go."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        registry = Registry(Path(folder) / "registry")
        registry.root.mkdir()
        for model in ("linear-unit", "linear-unit", "linear"):
            import_version(registry, shipped.folder(model, 1))
        yield registry


@pytest.fixture
def host(shelf: Registry) -> Host:
    return host_of(shelf)


def stable(host: Host) -> int:
    host.refresh()
    return host.find("linear-unit").version


# Full


def publish_below(limit: int, registry: Registry, card: Manifest) -> int | None:
    """Publish where no file may grow beyond `limit` bytes: 0, or 1 for nothing was published."""

    def below() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            with staging(registry, card.model) as draft:
                (draft / "weights.txt").write_text("1" * 300)
                publish(registry, draft, card, promote=True)
        except RegistryError as error:
            os._exit(1 if str(error).startswith("Nothing was published in ") else 2)
        os._exit(0)

    child = FORK.Process(target=below)
    child.start()
    child.join()
    return child.exitcode


def seen(registry: Registry) -> tuple[object, ...]:
    left = {path.name for path in (registry.root / "half").iterdir()} - {".lock", "history.jsonl"}
    return registry.versions("half"), registry.labels("half"), left


def test_publishing_where_files_cannot_grow_leaves_nothing_to_see(
    registry: Registry, card: Manifest, publish_text: Publish
) -> None:
    publish_text()
    before = seen(registry)
    for limit in (0, 100, 299, 300, 1000):
        assert publish_below(limit, registry, card) == 1
        assert seen(registry) == before
    # The version has its number when its label cannot be moved: it is taken back.
    history = registry.root / "half" / "history.jsonl"
    history.write_text(f"{'{}' * 5000}\n")
    assert publish_below(8000, registry, card) == 1
    assert seen(registry) == before
    assert publish_below(100_000, registry, card) == 0


def test_publishing_where_nothing_may_be_written_is_told_and_what_is_served_goes_on(
    small_disk: Path, shipped: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = Registry(small_disk)
    again = ["--registry", str(small_disk), "import", str(shipped.folder("linear", 1))]
    assert main(again) == 0
    host = host_of(shelf)
    remount(small_disk, "ro")
    assert main(again) == 1
    why = "Read-only file system"
    assert capsys.readouterr().err.endswith(f"published in {small_disk}/linear: {why}.\n")
    host.refresh()
    assert host.find("linear").version == shelf.latest("linear") == 1
    remount(small_disk, "rw")
    assert main(again) == 0
    host.refresh()
    assert host.find("linear").version == 2


def remount(disk: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", disk], check=True)  # noqa: S607


# Gone and unreadable


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Nobody may read it, and the process is nobody: root may read everything."""
    user, mode = os.geteuid(), path.stat().st_mode
    path.chmod(0)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)


def test_a_registry_that_is_gone_or_empty_leaves_everything_as_it_was(
    host: Host, shelf: Registry
) -> None:
    away = shelf.root.rename(shelf.root.with_name("away"))
    assert stable(host) == 2
    shelf.root.mkdir()  # what is left of a disk that is not mounted
    assert stable(host) == 2
    shelf.root.rmdir()
    away.rename(shelf.root)
    shelf.set_label("linear-unit", "stable", 1)
    assert stable(host) == 1


@pytest.mark.parametrize("folder", [".", "linear-unit"])
def test_a_folder_that_may_not_be_read_leaves_everything_as_it_was_and_is_told_once(
    host: Host, shelf: Registry, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    for times in (1, 2):  # trouble that comes again is told again
        with unreadable(shelf.root / folder):
            for _ in range(3):
                assert stable(host) == 2
        host.refresh()
        assert caplog.text.count("what is loaded goes on") == times
    assert "cannot be read: Permission denied." in caplog.text
    shelf.set_label("linear-unit", "stable", 1)
    assert stable(host) == 1


@pytest.mark.parametrize("folder", [".", "linear-unit"])
def test_a_model_that_could_not_be_read_yet_is_not_denied(shelf: Registry, folder: str) -> None:
    with unreadable(shelf.root / folder):
        fresh = host_of(shelf)
    with pytest.raises(NotLoaded, match="'linear-unit' cannot be read from the registry now"):
        fresh.find("linear-unit")
    assert stable(fresh) == 2


@pytest.mark.parametrize("name", [".", "manifest.json", "model.tflite"])
def test_a_version_that_may_not_be_read_fails_alone_and_is_told_once(
    host: Host, shelf: Registry, shipped: Registry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    import_version(shelf, shipped.folder("linear-unit", 1))
    path = shelf.folder("linear-unit", 3) / name
    with unreadable(path):
        assert [stable(host) for _ in range(3)] == [2, 2, 2]
        told = host.model("linear-unit").failures[3]
    assert caplog.text.count("linear-unit version 3 is not served") == 1
    assert "Permission denied" in told
    assert str(path.parent if name == "." else path) in told
    assert stable(host) == 3


# Changed


def test_a_change_is_seen_where_everything_is_older_than_before(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    before = host.find("linear-unit")
    import_version(shelf, shipped.folder("linear-unit", 1))
    for path in (shelf.root / "linear-unit").rglob("*"):
        os.utime(path, (1, 1))
    assert stable(host) == 3
    manifest = shelf.folder("linear-unit", 2) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"source": "', '"source": "The '))
    os.utime(manifest, (0, 0))
    host.refresh()
    assert host.find("linear-unit", version=2) is not before


# Half-written


@pytest.mark.parametrize(
    "written",
    [
        '{"stable',
        "{}",
        '{"stable": true}',
        '{"canary": 1}',
        '{"stable": {"version": 1, "percent": 5}}',
        '{"stable": 1, "canary": {"version": 1, "percent": 101}}',
        '{"stable": 1, "canary": {"version": 1, "percent": 5, "colour": "red"}}',
        '{"stable": 1, "a\\r\\nX-Evil: b": {"version": 2, "percent": 50}}',
        "[" * 60_000,
        '{"stable": 1}' + " " * LARGEST,
        None,
    ],
    ids=lambda text: str(text)[:24],
)
def test_labels_that_are_nonsense_leave_the_labels_and_say_what_to_do(
    host: Host, shelf: Registry, written: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = shelf.root / "linear-unit" / "labels.json"
    path.unlink()
    if written is None:
        os.mkfifo(path)  # which is not waited for
    else:
        path.write_text(written)
    for _ in range(3):
        assert stable(host) == 2
    assert caplog.text.count(f"what is loaded goes on: {path}") == 1
    assert "Remove it, and set the labels with" in caplog.text
    path.unlink()
    path.write_text('{"stable": 1}')
    assert stable(host) == 1


def test_a_label_at_a_missing_version_stays_where_it_was(host: Host, shelf: Registry) -> None:
    (shelf.root / "linear-unit" / "labels.json").write_text('{"stable": 9}')
    assert stable(host) == 2
    assert "has no version 9" in host.model("linear-unit").failures[9]
