"""Publishing: whole or not at all, whenever the publisher dies and however many there are."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from models.manifest import Manifest
from models.publish import STAGING, STALE_SECONDS, import_version, prune, publish, staging
from models.registry import BrokenVersion, Registry
from tests.conftest import Publish
from tests.servers import PATIENCE

# What a publisher does to the disk, as CPython's audit events name it.
STEPS = {"open", "os.rename", "os.mkdir", "os.chmod", "tempfile.mkdtemp", "os.remove", "os.rmdir"}
FORK = multiprocessing.get_context("fork")


def die_after(steps: int, root: Path | str) -> None:
    """End without a word before the disk below `root` is touched once more than `steps` times."""
    left = steps

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in STEPS and str(root) in str(arguments[0]):
            left -= 1
            if left < 0:
                os._exit(9)

    sys.addaudithook(count)


def publish_and_die(registry: Registry, card: Manifest, steps: int) -> None:
    die_after(steps, registry.root)
    publish_one(registry, card)
    os._exit(0)


def prune_and_die(registry: Registry, steps: int) -> None:
    die_after(steps, "")  # what is deleted is named by itself, without the folder that it is in
    prune(registry, "half", keep=1)
    os._exit(0)


def publish_one(registry: Registry, card: Manifest, barrier: Barrier | None = None) -> None:
    with staging(registry, card.model) as draft:
        (draft / "weights.txt").write_text("1")
        if barrier:
            barrier.wait(PATIENCE)
        publish(registry, draft, card, promote=True)


def in_a_child(function: Callable[..., None], *arguments: object) -> int | None:
    child = FORK.Process(target=function, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def assert_whole(registry: Registry) -> None:
    """Every version verifies, and `stable` is one of them."""
    for version in registry.versions("half"):
        registry.verify("half", version)
    assert registry.labels("half")["stable"] in registry.versions("half")


def test_a_publisher_killed_before_any_step_leaves_the_registry_whole(
    registry: Registry, card: Manifest, publish_text: Publish
) -> None:
    publish_text()
    for steps in range(1000):
        before = registry.versions("half")
        ended = in_a_child(publish_and_die, registry, card, steps)
        assert_whole(registry)
        assert set(registry.versions("half")) >= set(before)
        assert publish_text() == registry.latest("half")
        assert_whole(registry)
        if ended == 0:
            assert steps > 15, "the publisher was killed at each of its steps"
            return
    pytest.fail("the publisher never came to its end")


def test_a_first_publisher_killed_before_any_step_leaves_the_registry_readable(
    tmp_path: Path, card: Manifest
) -> None:
    for steps in range(1000):
        registry = Registry(tmp_path / str(steps))
        registry.root.mkdir()
        ended = in_a_child(publish_and_die, registry, card, steps)
        if registry.models():
            assert_whole(registry)
        publish_one(registry, card)
        assert_whole(registry)
        if ended == 0:
            return


def test_a_pruner_killed_before_any_step_leaves_the_registry_whole(
    registry: Registry, publish_text: Publish
) -> None:
    for steps in range(1000):
        publish_text()
        publish_text()
        ended = in_a_child(prune_and_die, registry, steps)
        assert_whole(registry)
        for folder in (registry.root / "half").glob("[1-9]*"):
            assert {each.name for each in folder.iterdir()} == {"manifest.json", "weights.txt"}
        if ended == 0:
            assert steps > 5, "the pruner was killed at each of its steps"
            return
    pytest.fail("the pruner never came to its end")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made durable, in the names that it had then."""
    names: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        names.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return names


def test_a_version_is_durable_before_it_has_its_number_and_the_number_after_it(
    synced: list[str], publish_text: Publish
) -> None:
    publish_text()
    draft = next(each for each in synced if each.startswith(STAGING))
    assert {"weights.txt", "manifest.json"} <= {*synced[: synced.index(draft)]}
    assert "half" in synced[synced.index(draft) :]


def test_a_move_of_a_label_is_durable_after_its_line_in_the_history(
    registry: Registry, publish_text: Publish, synced: list[str]
) -> None:
    publish_text()
    publish_text(promote=False)
    synced.clear()
    registry.set_label("half", "stable", 2)
    assert synced == [".history.jsonl.draft", "half", ".labels.json.draft", "half"]


def test_publishers_at_once_get_a_version_each(registry: Registry, card: Manifest) -> None:
    barrier = FORK.Barrier(4)
    children = [FORK.Process(target=publish_one, args=(registry, card, barrier)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert registry.versions("half") == (1, 2, 3, 4)
    assert registry.labels("half") == {"stable": 4}
    assert_whole(registry)


def test_the_first_version_is_stable_whatever_it_scores(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text(promote=False)
    assert registry.labels("half") == {"stable": 1}


def test_a_version_that_is_not_promoted_leaves_stable(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    (registry.root / "half" / "labels.json").unlink()  # as in a fresh clone
    publish_text(promote=False)
    assert registry.labels("half") == {"stable": 1}


def test_a_failure_while_writing_leaves_no_staging_folder(registry: Registry) -> None:
    with pytest.raises(ZeroDivisionError), staging(registry, "half"):
        _ = 1 / 0
    assert list((registry.root / "half").iterdir()) == []


@pytest.mark.parametrize(
    ("age", "stays"), [(STALE_SECONDS - 60, True), (STALE_SECONDS + 60, False)]
)
def test_only_an_old_staging_folder_is_removed(
    registry: Registry, publish_text: Publish, age: float, stays: bool
) -> None:
    publish_text()
    left = registry.root / "half" / ".staging-left"
    left.mkdir()
    os.utime(left, (time.time() - age, time.time() - age))
    publish_text()
    assert left.exists() is stays


def test_an_imported_version_gets_the_next_number(
    registry: Registry, publish_text: Publish, tmp_path: Path
) -> None:
    publish_text()
    (tmp_path / "other").mkdir()
    other = Registry(tmp_path / "other")
    for _ in range(2):
        assert import_version(other, registry.folder("half", 1)).model == "half"
    assert other.versions("half") == (1, 2)
    assert_whole(other)


def test_a_damaged_version_is_not_imported(
    registry: Registry, publish_text: Publish, tmp_path: Path
) -> None:
    publish_text()
    (registry.folder("half", 1) / "weights.txt").write_text("?")
    (tmp_path / "other").mkdir()
    other = Registry(tmp_path / "other")
    with pytest.raises(BrokenVersion, match=r"weights\.txt"):
        import_version(other, registry.folder("half", 1))
    assert other.models() == ()


def test_a_version_into_which_a_file_was_slipped_is_not_imported(
    registry: Registry, publish_text: Publish, tmp_path: Path
) -> None:
    publish_text()
    (registry.folder("half", 1) / "extra").touch()
    with pytest.raises(BrokenVersion, match="extra is not in the manifest"):
        import_version(Registry(tmp_path / "other"), registry.folder("half", 1))
