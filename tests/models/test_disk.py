"""What the disk does to the registry: full, unreadable, unmounted, swapped, half-written."""

import json
import multiprocessing
import os
import resource
import shutil
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
from service.serving.policy import Policy
from tests.conftest import Publish

FORK = multiprocessing.get_context("fork")
NOBODY = 65534


@pytest.fixture
def shelf(shipped: Registry) -> Iterator[Registry]:
    """Two versions of `calories`, one of `deep`, where every user may go."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        registry = Registry(Path(folder) / "registry")
        registry.root.mkdir()
        for model in ("calories", "calories", "deep"):
            import_version(registry, shipped.folder(model, 1))
        yield registry


@pytest.fixture
def host(shelf: Registry) -> Host:
    host = Host(shelf, "litert", Policy(latest=2))
    host.refresh()
    return host


def stable(host: Host) -> int:
    host.refresh()
    return host.find("calories").version


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may read everything; for this time the process is nobody."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


# Full


def publish_under(limit: int, registry: Registry, card: Manifest) -> None:
    """Publish where no file may grow beyond `limit` bytes; the exit code says how it went."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        with staging(registry, card.model) as draft:
            (draft / "weights.txt").write_text("1" * 300)
            publish(registry, draft, card, promote=True)
    except RegistryError as error:
        os._exit(1 if str(error).startswith("Nothing was published in ") else 2)
    os._exit(0)


def seen(registry: Registry) -> tuple[object, ...]:
    folder = registry.root / "half"
    left = [path.name for path in folder.iterdir() if path.name not in {".lock", "history.jsonl"}]
    return registry.versions("half"), registry.labels("half"), sorted(left)


def test_publishing_where_files_cannot_grow_leaves_nothing_to_see(
    registry: Registry, card: Manifest, publish_text: Publish
) -> None:
    publish_text()
    ended = []
    for limit in (0, 100, 299, 300, 1000, 2000, 100_000):
        before = seen(registry)
        child = FORK.Process(target=publish_under, args=(limit, registry, card))
        child.start()
        child.join()
        ended.append(child.exitcode)
        if child.exitcode:
            assert seen(registry) == before
    assert ended[:4] == [1, 1, 1, 1]
    assert ended[-1] == 0


def test_a_version_whose_label_cannot_be_moved_is_taken_back(
    registry: Registry, card: Manifest, publish_text: Publish
) -> None:
    publish_text()
    (registry.root / "half" / "history.jsonl").write_text(f"{'{}' * 5000}\n")
    before = seen(registry)
    child = FORK.Process(target=publish_under, args=(8000, registry, card))
    child.start()
    child.join()
    assert child.exitcode == 1
    assert seen(registry) == before


@pytest.fixture
def followed(small_disk: Path, shipped: Registry) -> Host:
    """A host that serves `linear` from the small disk."""
    import_version(Registry(small_disk), shipped.folder("linear", 1))
    host = Host(Registry(small_disk), "litert", Policy(latest=2))
    host.refresh()
    return host


def test_publishing_on_a_full_disk_says_so_and_what_is_served_goes_on(
    small_disk: Path, followed: Host, shipped: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    shelf = followed.registry
    (small_disk / "filler").write_bytes(b"1" * 500_000)
    again = ["--registry", str(small_disk), "import", str(shipped.folder("linear", 1))]
    while main(again) == 0:
        pass
    assert "models: Nothing was published in" in (said := capsys.readouterr().err)
    assert "No space left on device" in said
    followed.refresh()
    last = shelf.latest("linear")
    shelf.verify("linear", last)
    assert followed.find("linear").version == last == shelf.labels("linear")["stable"]
    assert not list((small_disk / "linear").glob(".staging-*"))
    (small_disk / "filler").unlink()
    assert main(again) == 0


def test_publishing_where_the_registry_is_mounted_read_only_says_so_and_what_is_served_goes_on(
    small_disk: Path, followed: Host, shipped: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)  # noqa: S607
    again = ["--registry", str(small_disk), "import", str(shipped.folder("linear", 1))]
    assert main(again) == 1
    where = small_disk / "linear"
    assert capsys.readouterr().err == (
        f"models: Nothing was published in {where}: Read-only file system.\n"
    )
    followed.refresh()
    assert followed.find("linear").version == 1
    assert not followed.model("linear").failures
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)  # noqa: S607
    assert main(again) == 0
    followed.refresh()
    assert followed.find("linear").version == 2


# Gone and unreadable


def test_an_empty_folder_in_the_registrys_place_leaves_everything_as_it_was(
    host: Host, shelf: Registry
) -> None:
    shelf.root.rename(shelf.root.with_name("away"))
    shelf.root.mkdir()  # what is left of a disk that is not mounted
    assert stable(host) == 2
    shelf.root.rmdir()
    shelf.root.with_name("away").rename(shelf.root)
    shelf.set_label("calories", "stable", 1)
    assert stable(host) == 1


@pytest.mark.parametrize("folder", [".", "calories"])
def test_a_folder_that_may_not_be_read_leaves_everything_as_it_was(
    host: Host, shelf: Registry, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    (shelf.root / folder).chmod(0)
    with unprivileged():
        for _ in range(3):
            assert stable(host) == 2
    (shelf.root / folder).chmod(0o755)
    assert caplog.text.count("what is loaded goes on") == 1
    assert "cannot be read: Permission denied." in caplog.text
    shelf.set_label("calories", "stable", 1)
    assert stable(host) == 1


@pytest.mark.parametrize("folder", [".", "calories"])
def test_trouble_that_comes_again_is_told_again(
    host: Host, shelf: Registry, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        (shelf.root / folder).chmod(0)
        with unprivileged():
            host.refresh()
        (shelf.root / folder).chmod(0o755)
        host.refresh()
    assert caplog.text.count("what is loaded goes on") == 2


@pytest.mark.parametrize("folder", [".", "calories"])
def test_a_model_that_could_not_be_read_yet_is_not_denied(shelf: Registry, folder: str) -> None:
    fresh = Host(shelf, "litert", Policy(latest=2))
    (shelf.root / folder).chmod(0)
    with unprivileged():
        fresh.refresh()
    with pytest.raises(NotLoaded, match="'calories' cannot be read from the registry now"):
        fresh.find("calories")
    (shelf.root / folder).chmod(0o755)
    assert stable(fresh) == 2


@pytest.mark.parametrize("name", [".", "manifest.json", "model.tflite"])
def test_a_version_that_may_not_be_read_fails_alone_and_is_tried_again(
    host: Host, shelf: Registry, shipped: Registry, name: str
) -> None:
    import_version(shelf, shipped.folder("calories", 1))
    path = shelf.folder("calories", 3) / name
    mode = path.stat().st_mode
    path.chmod(0)
    with unprivileged():
        assert stable(host) == 2
        shelf_says = host.model("calories").failures[3]
    assert "Permission denied" in shelf_says
    assert str(path.parent if name == "." else path) in shelf_says
    path.chmod(mode)
    assert stable(host) == 3


# Swapped


def test_a_model_folder_that_becomes_another_by_a_symlink_is_followed(
    host: Host, shelf: Registry
) -> None:
    models = shelf.root / "calories"
    models.rename(shelf.root / ".blue")
    models.symlink_to(".blue")
    assert stable(host) == 2
    shutil.copytree(shelf.root / ".blue" / "1", shelf.root / ".green" / "1")
    draft = shelf.root / ".link"
    draft.symlink_to(".green")
    draft.rename(models)
    assert stable(host) == 1
    assert sorted(host.model("calories").loaded) == [1]


def test_a_change_is_seen_where_everything_is_older_than_before(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    before = host.find("calories")
    import_version(shelf, shipped.folder("calories", 1))
    for path in (shelf.root / "calories").rglob("*"):
        os.utime(path, (1, 1))
    assert stable(host) == 3
    manifest = shelf.folder("calories", 2) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"source": "', '"source": "The '))
    os.utime(manifest, (0, 0))
    host.refresh()
    assert host.find("calories", version=2) is not before


# Half-written


@pytest.mark.parametrize(
    "written",
    [
        '{"stable',
        "",
        "null",
        "[1]",
        "{}",
        '{"stable": "1"}',
        '{"stable": true}',
        '{"stable": 1.5}',
        '{"stable": -1}',
        '{"canary": 1}',
        '{"stable": 1, "a\\r\\nX-Evil: b": {"version": 2, "percent": 50}}',
        "[" * 60_000,
        '{"stable": 1}' + " " * LARGEST,
    ],
    ids=lambda text: text[:24],
)
def test_labels_that_are_nonsense_leave_the_labels_and_say_what_to_do(
    host: Host, shelf: Registry, written: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = shelf.root / "calories" / "labels.json"
    path.write_text(written)
    for _ in range(3):
        assert stable(host) == 2
    assert caplog.text.count(f"what is loaded goes on: {path}") == 1
    assert "Remove it, and set the labels with" in caplog.text
    path.write_text('{"stable": 1}')
    assert stable(host) == 1


def test_a_pipe_in_the_place_of_the_labels_is_not_waited_for(host: Host, shelf: Registry) -> None:
    path = shelf.root / "calories" / "labels.json"
    path.unlink()
    os.mkfifo(path)
    assert stable(host) == 2


def test_a_label_at_a_missing_version_stays_where_it_was(host: Host, shelf: Registry) -> None:
    (shelf.root / "calories" / "labels.json").write_text('{"stable": 9}')
    assert stable(host) == 2
    assert "has no version 9" in host.model("calories").failures[9]


def test_a_history_that_was_cut_short_costs_its_last_line_only(
    registry: Registry, publish_text: Publish
) -> None:
    for _ in range(3):
        publish_text()
    history = registry.root / "half" / "history.jsonl"
    history.write_text(history.read_text() + '{"time": "2026')
    registry.set_label("half", "stable", 1)
    assert json.loads(history.read_text().splitlines()[-1])["now"] == 1
    assert registry.rollback("half") == 3
