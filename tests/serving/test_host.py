"""The host: it follows the registry, and what was served goes on whatever happens there."""

import errno
import logging
import os
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.manifest import Manifest
from models.publish import import_version, prune, publish, staging
from models.registry import Registry
from service.errors import NotFound, NotLoaded
from service.serving.host import Host
from service.serving.version_policy import Policy, parse
from tests.servers import await_
from tests.soak.run import resident


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Registry:
    """A registry with version 1 of `calories`."""
    import_version(registry, shipped.folder("calories", 1))
    return registry


@pytest.fixture
def host(shelf: Registry) -> Host:
    host = Host(shelf, "litert", Policy(latest=2))
    host.refresh()
    return host


def publish_again(shelf: Registry, shipped: Registry, *, promote: bool = True) -> int:
    return import_version(shelf, shipped.folder("calories", 1), promote=promote).version


def damage(shelf: Registry, version: int) -> Path:
    twin = shelf.folder("calories", version) / "model.tflite"
    twin.write_bytes(twin.read_bytes()[:-1] + b"?")
    return twin


def test_without_a_choice_stable_answers(host: Host, shelf: Registry, shipped: Registry) -> None:
    publish_again(shelf, shipped, promote=False)
    host.refresh()
    assert host.find("calories").version == 1
    assert host.find("calories", version=2).version == 2


def test_a_new_version_is_served_after_a_refresh(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    publish_again(shelf, shipped)
    host.refresh()
    assert host.find("calories").version == 2


def test_following_finds_a_new_version_by_itself(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    host.follow(seconds=0.01)
    publish_again(shelf, shipped)
    await_(lambda: host.find("calories").version == 2, "version 2 is served")
    host.close()


def test_what_is_free_goes_back_to_the_system(host: Host) -> None:
    held = [bytearray(64_000) for _ in range(500)]  # small enough for the heap of malloc
    above = bytearray(64_000)  # what is free below it stays with the process, by itself
    before = resident(os.getpid())
    del held
    host.follow(seconds=0.01)
    await_(lambda: resident(os.getpid()) < before - 25, "most of 32 MB is given back")
    host.close()
    assert above


def test_a_call_to_look_does_not_wait_for_the_next_poll(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    host.follow(seconds=3600)
    publish_again(shelf, shipped)
    host.look()
    await_(lambda: host.find("calories").version == 2, "version 2 is served")
    host.close()


def test_following_goes_on_after_a_fault(
    host: Host,
    shelf: Registry,
    shipped: Registry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as fault:
        fault.setattr(shelf, "stamps", None)
        host.follow(seconds=0.01)
        await_(lambda: "follow-registry failed, and goes on" in caplog.text, "the fault is met")
    publish_again(shelf, shipped)
    await_(lambda: host.find("calories").version == 2, "version 2 is served")
    host.close()


def test_a_version_found_before_goes_on_after_it_is_replaced(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    held = host.find("calories")
    for _ in range(3):
        publish_again(shelf, shipped)
        host.refresh()
    assert np.isfinite(held.engine.predict(np.ones((1, 3), np.float32))).all()


def test_only_labelled_and_the_latest_versions_stay_loaded(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    shelf.set_label("calories", "first", 1)
    for _ in range(4):
        publish_again(shelf, shipped)
    host.refresh()
    assert sorted(host.snapshot["calories"].loaded) == [1, 4, 5]


def test_a_loaded_version_is_not_loaded_again(host: Host) -> None:
    before = host.find("calories")
    host.refresh()
    assert host.find("calories") is before


def test_a_damaged_version_leaves_the_old_one_serving(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    damage(shelf, publish_again(shelf, shipped))
    host.refresh()
    assert host.find("calories").version == 1


def test_a_damaged_version_says_which_file_is_wrong(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    twin = damage(shelf, publish_again(shelf, shipped))
    host.refresh()
    with pytest.raises(NotLoaded, match=f"{twin} is not the file that was published"):
        host.find("calories", version=2)


def nonsense(draft: Path, card: Manifest) -> Manifest:
    """Make the model one that no engine loads."""
    (draft / "model.tflite").write_bytes(b"nonsense")
    return card


def boundless(_: Path, card: Manifest) -> Manifest:
    """Make the training mean one that no number answers."""
    large = {"mean": 3e38, "max": 3e38}
    means = tuple(each.model_copy(update=large) for each in card.inputs)
    return card.model_copy(update={"inputs": means})


@pytest.mark.parametrize("spoil", [nonsense, boundless])
def test_a_whole_version_that_cannot_answer_leaves_the_old_one_serving(
    host: Host, shelf: Registry, spoil: Callable[[Path, Manifest], Manifest]
) -> None:
    with staging(shelf, "calories") as draft:
        shutil.copy(shelf.folder("calories", 1) / "model.tflite", draft)
        card = spoil(draft, shelf.manifest("calories", 1))
        publish(shelf, draft, card, promote=True)
    host.refresh()
    assert states(host)[2] == "failed"
    assert host.find("calories").version == 1


def test_a_label_whose_new_version_failed_keeps_one_that_nobody_else_wants(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    for _ in range(2):
        publish_again(shelf, shipped, promote=False)
    damage(shelf, publish_again(shelf, shipped))
    host.refresh()
    assert host.find("calories").version == 1


def test_a_failed_version_that_nobody_wants_any_more_is_forgotten(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    damage(shelf, publish_again(shelf, shipped, promote=False))
    host.refresh()
    for _ in range(2):
        publish_again(shelf, shipped)
    host.refresh()
    assert 2 not in states(host)


@pytest.fixture
def unread(host: Host, shelf: Registry, shipped: Registry, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The disk failed three times to read version 2, whose files stay as they are."""

    def fail(*_: object) -> Manifest:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "model.tflite")

    publish_again(shelf, shipped)
    with monkeypatch.context() as fault:
        fault.setattr(shelf, "verify", fail)
        for _ in range(3):
            host.refresh()
    return host


def test_a_version_that_the_disk_did_not_give_is_tried_again(unread: Host) -> None:
    assert states(unread) == {1: "loaded", 2: "failed"}
    unread.refresh()
    assert unread.find("calories").version == 2


def test_a_version_that_is_tried_again_in_vain_is_told_once(
    unread: Host, caplog: pytest.LogCaptureFixture
) -> None:
    told = [each.getMessage() for each in caplog.get_records("setup")]
    assert sum("calories version 2 is not served" in each for each in told) == 1


def test_a_repaired_version_is_served(host: Host, shelf: Registry, shipped: Registry) -> None:
    twin = damage(shelf, publish_again(shelf, shipped))
    host.refresh()
    twin.write_bytes((shipped.folder("calories", 1) / "model.tflite").read_bytes())
    host.refresh()
    assert host.find("calories").version == 2


def test_nonsense_in_labels_json_leaves_the_labels_as_they_were(
    host: Host, shelf: Registry
) -> None:
    (shelf.root / "calories" / "labels.json").write_text('{"stable"')
    host.refresh()
    assert host.find("calories").version == 1


def test_a_registry_that_is_gone_leaves_everything_as_it_was(host: Host, shelf: Registry) -> None:
    shelf.root.rename(shelf.root.with_name("away"))
    host.refresh()
    assert host.find("calories").version == 1


def test_a_rollback_is_served(host: Host, shelf: Registry, shipped: Registry) -> None:
    publish_again(shelf, shipped)
    host.refresh()
    shelf.rollback("calories")
    host.refresh()
    assert host.find("calories").version == 1


def test_an_empty_registry_serves_nothing_and_says_so(tmp_path: Path) -> None:
    host = Host(Registry(tmp_path), "litert", Policy(latest=2))
    host.refresh()
    with pytest.raises(NotFound, match="There is no model 'calories'; served are: none yet"):
        host.find("calories")


def test_the_only_version_being_damaged_is_said(shelf: Registry) -> None:
    damage(shelf, 1)
    host = Host(shelf, "litert", Policy(latest=2))
    host.refresh()
    with pytest.raises(NotLoaded, match="is not the file that was published"):
        host.find("calories")


def states(host: Host) -> dict[int, str]:
    return {version: state for version, (state, _) in host.model("calories").versions().items()}


def test_an_old_version_is_unloading_until_its_last_request_ends(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    held = host.find("calories")
    for _ in range(2):
        publish_again(shelf, shipped)
    host.refresh()
    assert states(host) == {1: "unloading", 2: "loaded", 3: "loaded"}
    engine = weakref.ref(held.engine)
    del held
    assert engine() is None
    assert states(host) == {2: "loaded", 3: "loaded"}


def test_a_version_is_loading_until_it_is_swapped_in(
    host: Host, shelf: Registry, shipped: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(_: object) -> None:
        seen.append((states(host), host.find("calories").version))

    publish_again(shelf, shipped)
    monkeypatch.setattr("service.serving.loaded.Loaded._check", look)
    host.refresh()
    assert seen == [({1: "loaded", 2: "loading"}, 1)]


def test_a_version_is_served_when_the_log_tells_that_it_is_loaded(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    seen = []

    class Looking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((record.getMessage(), host.find("calories").version))

    log, looking = logging.getLogger("service.host"), Looking()
    publish_again(shelf, shipped)
    log.setLevel(logging.INFO)
    log.addHandler(looking)
    try:
        host.refresh()
    finally:
        log.removeHandler(looking)
        log.setLevel(logging.NOTSET)
    assert ("calories version 2 is loaded (litert).", 2) in seen


def test_a_failed_version_tells_its_reason(host: Host, shelf: Registry, shipped: Registry) -> None:
    damage(shelf, publish_again(shelf, shipped))
    host.refresh()
    state, reason = host.model("calories").versions()[2]
    assert state == "failed"
    assert "is not the file that was published" in reason


def test_a_failed_version_is_not_tried_again_until_its_files_change(
    host: Host, shelf: Registry, shipped: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    verify = shelf.verify

    def count(model: str, version: int) -> Manifest:
        tried.append(version)
        return verify(model, version)

    monkeypatch.setattr(shelf, "verify", count)
    twin = damage(shelf, publish_again(shelf, shipped))
    for _ in range(3):
        host.refresh()
    publish_again(shelf, shipped)
    host.refresh()
    assert tried == [2, 3]
    twin.touch()
    host.refresh()
    assert tried == [2, 3, 2]


def test_a_version_that_was_replaced_on_disk_is_loaded_anew(host: Host, shelf: Registry) -> None:
    before = host.find("calories")
    manifest = shelf.folder("calories", 1) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"source": "', '"source": "the same '))
    host.refresh()
    assert host.find("calories").manifest.data.source.startswith("the same ")
    assert host.find("calories") is not before


def test_a_loaded_version_that_is_damaged_on_disk_goes_on_and_tells(
    host: Host, shelf: Registry
) -> None:
    damage(shelf, 1)
    (shelf.folder("calories", 1) / "manifest.json").touch()
    before = host.find("calories")
    host.refresh()
    assert host.find("calories") is before
    state, reason = host.model("calories").versions()[1]
    assert state == "loaded"
    assert "is not the file that was published" in reason


def test_a_model_that_is_gone_and_back_is_served_again(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    import_version(shelf, shipped.folder("deep", 1))
    folder = shelf.root / "calories"
    folder.rename(shelf.root / ".away")
    host.refresh()
    with pytest.raises(NotFound):
        host.find("calories")
    (shelf.root / ".away").rename(folder)
    host.refresh()
    assert host.find("calories").version == 1


def test_an_idle_look_reads_no_manifest(
    host: Host, shelf: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "manifest", None)
    monkeypatch.setattr(shelf, "placed", None)
    host.refresh()


def test_named_versions_are_loaded_and_a_missing_one_says_so(
    shelf: Registry, shipped: Registry
) -> None:
    for _ in range(3):
        publish_again(shelf, shipped)
    host = Host(shelf, "litert", parse("calories=2,9"))
    host.refresh()
    assert states(host) == {2: "loaded", 4: "loaded", 9: "failed"}
    assert "has no version 9" in host.model("calories").failures[9]


def test_a_hundred_swaps_leave_the_memory_where_it_was(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    rows = np.ones((1, 3), np.float32)

    def swap() -> None:
        publish_again(shelf, shipped)
        host.refresh()
        host.find("calories").engine.predict(rows)
        prune(shelf, "calories", keep=2)

    for _ in range(20):
        swap()
    before = resident(os.getpid())
    for _ in range(100):
        swap()
    # A version in memory takes 0.5 MB: a hundred that were kept would be seen.
    assert resident(os.getpid()) - before < 10


@pytest.fixture
def canary(host: Host, shelf: Registry, shipped: Registry) -> Host:
    """Version 1 is stable, version 2 is the canary of a quarter of the requests."""
    publish_again(shelf, shipped, promote=False)
    shelf.set_label("calories", "canary", 2, percent=25)
    host.refresh()
    return host


def share(host: Host, keys: list[str]) -> float:
    return sum(host.find("calories", key=key).version == 2 for key in keys) / len(keys)


PEOPLE = [f"person-{n}" for n in range(4000)]


@pytest.mark.parametrize("keys", [PEOPLE, [""] * 4000], ids=["by key", "by chance"])
def test_a_canary_takes_its_share(canary: Host, keys: list[str]) -> None:
    assert 0.2 < share(canary, keys) < 0.3  # five standard deviations to either side are 0.034


def test_a_key_keeps_its_version_in_every_process(canary: Host) -> None:
    assert {canary.find("calories", key="anna").version for _ in range(20)} == {1}
    assert {canary.find("calories", key="emil").version for _ in range(20)} == {2}


def test_a_larger_share_keeps_those_it_had(canary: Host, shelf: Registry) -> None:
    had = [key for key in PEOPLE if canary.find("calories", key=key).version == 2]
    shelf.set_label("calories", "canary", 2, percent=50)
    canary.refresh()
    assert share(canary, had) == 1


def test_a_canary_of_100_percent_takes_all(canary: Host, shelf: Registry) -> None:
    shelf.set_label("calories", "canary", 2, percent=100)
    canary.refresh()
    assert share(canary, [*PEOPLE, ""]) == 1


def test_a_request_that_chooses_is_no_canarys(canary: Host) -> None:
    for key in PEOPLE[:100]:
        assert canary.find("calories", version=1, key=key).version == 1
        assert canary.find("calories", label="stable", key=key).version == 1


def test_an_answer_by_a_share_is_told_apart(canary: Host) -> None:
    assert canary.find("calories", key="emil").label == "canary"
    assert canary.find("calories", key="anna").label == ""
    assert canary.find("calories", label="canary").label == ""


def test_a_canary_that_cannot_be_loaded_leaves_the_requests_to_stable(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    damage(shelf, publish_again(shelf, shipped, promote=False))
    shelf.set_label("calories", "canary", 2, percent=100)
    host.refresh()
    assert host.find("calories").version == 1


def test_a_canary_whose_new_version_cannot_be_loaded_keeps_its_share(
    canary: Host, shelf: Registry, shipped: Registry
) -> None:
    damage(shelf, publish_again(shelf, shipped, promote=False))
    shelf.set_label("calories", "canary", 3, percent=100)
    canary.refresh()
    assert 0.2 < share(canary, PEOPLE) < 0.3


def test_a_removed_canary_answers_no_more(canary: Host, shelf: Registry) -> None:
    shelf.remove_label("calories", "canary")
    canary.refresh()
    assert share(canary, PEOPLE) == 0
