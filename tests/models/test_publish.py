"""Publishing, pruning and signing: whole or not at all, whoever dies or does it at once."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.__main__ import main
from models.manifest import Manifest
from models.publish import STAGING, STALE_SECONDS, prune, publish, staging
from models.registry import Registry
from models.signing import verifier
from tests.conftest import Keys, Publish
from tests.servers import PATIENCE, await_

# What is done to the disk, as CPython's audit events name it.
STEPS = {"open", "os.rename", "os.mkdir", "os.chmod", "tempfile.mkdtemp", "os.remove", "os.rmdir"}
FORK = multiprocessing.get_context("fork")


def publish_one(registry: Registry, card: Manifest, ready: Callable[[], object] = int) -> int:
    with staging(registry, card.model) as draft:
        (draft / "weights.txt").write_text("1")
        ready()
        return publish(registry, draft, card, promote=True)


def prune_all(registry: Registry, _: Manifest) -> None:
    prune(registry, "half", keep=1)


def die_after(steps: int, act: Callable[..., object], registry: Registry, card: Manifest) -> None:
    """Act, and end without a word before the disk is touched once more than `steps` times."""
    left = steps

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal left
        left -= event in STEPS
        if left < 0:
            os._exit(9)

    sys.addaudithook(count)
    act(registry, card)
    os._exit(0)


def assert_whole(registry: Registry) -> None:
    """Every version verifies, no folder holds a part of one, and `stable` is one of them."""
    for version in registry.versions("half"):
        registry.verify("half", version)
    for folder in (registry.root / "half").glob("[1-9]*"):
        assert {each.name for each in folder.iterdir()} == {"manifest.json", "weights.txt"}
    assert registry.labels("half")["stable"] in registry.versions("half")


@pytest.mark.parametrize(
    ("versions", "act", "steps_at_least"),
    [(0, publish_one, 15), (1, publish_one, 15), (3, prune_all, 5)],
    ids=["first", "next", "prune"],
)
def test_whoever_is_killed_before_any_step_leaves_the_registry_whole(
    tmp_path: Path,
    card: Manifest,
    versions: int,
    act: Callable[..., object],
    steps_at_least: int,
) -> None:
    for steps in range(1000):
        registry = Registry(tmp_path / str(steps))
        registry.root.mkdir()
        for _ in range(versions):
            publish_one(registry, card)
        child = FORK.Process(target=die_after, args=(steps, act, registry, card))
        child.start()
        child.join()
        if versions or registry.models():
            assert_whole(registry)
            assert registry.latest("half") >= versions
        assert publish_one(registry, card) == registry.latest("half")
        assert_whole(registry)
        if child.exitcode == 0:
            assert steps > steps_at_least, "it was killed at each of its steps"
            return
    pytest.fail("it never came to its end")


def test_publishers_at_once_get_a_version_each(registry: Registry, card: Manifest) -> None:
    wait = FORK.Barrier(4).wait
    children = [FORK.Process(target=publish_one, args=(registry, card, wait)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert registry.versions("half") == (1, 2, 3, 4)
    assert registry.labels("half") == {"stable": 4}
    assert_whole(registry)


@pytest.fixture
def at_once(
    two: Registry, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], tuple[int, int | None]]]:
    """The exit codes of two commands.

    Before the first renames anything it stops until the second waits for the lock or has ended.
    """
    go, waiting = FORK.Event(), FORK.Event()
    children = []

    def command(text: str) -> int:
        return main(["--registry", str(two.root), *text.split()])

    def second(text: str) -> None:
        go.wait(PATIENCE)
        sys.addaudithook(lambda event, _: waiting.set() if event == "fcntl.flock" else None)
        os._exit(command(text))

    def both(one: str, other: str) -> tuple[int, int | None]:
        child = FORK.Process(target=second, args=(other,))  # without the lock of the first
        children.append(child)
        child.start()
        rename = Path.rename

        def stop(path: Path, target: Path) -> Path:
            go.set()
            await_(lambda: waiting.is_set() or not child.is_alive(), f"{other} waits or ends")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", stop)
        code = command(one)
        child.join(PATIENCE)
        return code, child.exitcode

    yield both
    for child in children:
        child.kill()
        child.join()


def test_no_label_is_put_at_a_version_that_is_being_pruned(
    two: Registry, at_once: Callable[[str, str], object]
) -> None:
    assert at_once("prune half --keep 1", "label half stable 1") == (0, 1)
    assert two.versions("half") == (2,)
    assert two.labels("half") == {"stable": 2}


def test_two_who_sign_a_version_leave_it_signed(
    two: Registry, keys: Keys, at_once: Callable[[str, str], object]
) -> None:
    sign = f"sign half 1 --private-key {keys.private}"
    assert at_once(sign, sign) == (0, 0)
    assert Registry(two.root, verifier(keys.public)).verify("half", 1)


@pytest.fixture
def synced(two: Registry, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made durable from now on, in the names that it had then."""
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
    publish_text(promote=False)
    *files, draft, model = synced
    assert {*files} == {"weights.txt", "manifest.json"}
    assert draft.startswith(STAGING)
    assert model == "half"


def test_a_move_of_a_label_is_durable_after_its_line_in_the_history(
    synced: list[str], two: Registry
) -> None:
    two.set_label("half", "stable", 1)
    assert synced == [".history.jsonl.draft", "half", ".labels.json.draft", "half"]


def test_the_first_version_is_stable_and_then_only_what_is_promoted(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text(promote=False)
    assert registry.labels("half") == {"stable": 1}
    (registry.root / "half" / "labels.json").unlink()  # as in a fresh clone
    publish_text(promote=False)
    assert registry.labels("half") == {"stable": 1}


def test_only_an_old_staging_folder_is_removed(two: Registry, publish_text: Publish) -> None:
    young, old = (two.root / "half" / f"{STAGING}{age}" for age in ("young", "old"))
    for folder, age in ((young, STALE_SECONDS - 60), (old, STALE_SECONDS + 60)):
        folder.mkdir()
        os.utime(folder, (time.time() - age, time.time() - age))
    publish_text()
    assert young.exists()
    assert not old.exists()
