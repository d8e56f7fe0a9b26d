"""The host: it follows the registry, and what was served goes on whatever happens there."""

import errno
import logging
import os
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.manifest import Manifest
from models.publish import import_version, publish, staging
from models.registry import Registry
from service.errors import NotFound, NotLoaded
from service.serving.host import Host
from service.serving.version_policy import parse
from service.settings import Settings
from tests.servers import await_
from tests.soak.run import resident

MODEL = "calories"
CHANGED = "is not the file that was published"


class Shelf:
    """A registry that starts with version 1 of `calories`, and a host that serves from it."""

    def __init__(self, registry: Registry, shipped: Registry) -> None:
        self.registry, self._source = registry, shipped.folder(MODEL, 1)
        self.publish()
        self.host = Host(registry, "litert", parse("latest:2"))
        self.host.refresh()

    def publish(self, *, promote: bool = True, damaged: bool = False) -> int:
        """Publish the same model anew, its twin damaged afterwards on request."""
        version = import_version(self.registry, self._source, promote=promote).version
        if damaged:
            self.twin(version).write_bytes(self._twin[:-1] + b"?")
        return version

    @property
    def _twin(self) -> bytes:
        return (self._source / "model.tflite").read_bytes()

    def twin(self, version: int) -> Path:
        return self.registry.folder(MODEL, version) / "model.tflite"

    def repair(self, version: int) -> None:
        self.twin(version).write_bytes(self._twin)

    def serves(self, **choice: Any) -> int:
        """The version that answers after a look at the registry."""
        self.host.refresh()
        return self.host.find(MODEL, **choice).version

    def states(self) -> dict[int, str]:
        return {n: state for n, (state, _) in self.host.model(MODEL).versions().items()}


@pytest.fixture
def shelf(registry: Registry, shipped: Registry) -> Iterator[Shelf]:
    shelf = Shelf(registry, shipped)
    yield shelf
    shelf.host.close()


def test_stable_answers_wherever_it_is_moved_and_others_by_their_number(shelf: Shelf) -> None:
    shelf.publish(promote=False)
    assert (shelf.serves(), shelf.serves(version=2)) == (1, 2)
    shelf.publish()
    assert shelf.serves() == 3
    shelf.registry.rollback(MODEL)
    assert shelf.serves() == 1


def test_following_finds_a_new_version_by_itself_and_survives_a_fault(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as fault:
        fault.setattr(shelf.registry, "stamps", None)
        shelf.host.follow(seconds=0.01)
        await_(lambda: "follow-registry failed, and goes on" in caplog.text, "the fault is met")
    shelf.publish()
    await_(lambda: shelf.host.find(MODEL).version == 2, "version 2 is served")


def test_what_is_free_goes_back_to_the_system(shelf: Shelf) -> None:
    held = [bytearray(64_000) for _ in range(500)]  # small enough for the heap of malloc
    above = bytearray(64_000)  # what is free below it stays with the process, by itself
    before = resident(os.getpid())
    del held
    shelf.host.follow(seconds=0.01)
    await_(lambda: resident(os.getpid()) < before - 25, "most of 32 MB is given back")
    assert above


def test_a_replaced_version_answers_until_its_last_request_ends(shelf: Shelf) -> None:
    held = shelf.host.find(MODEL)
    for _ in range(2):
        shelf.publish()
    shelf.host.refresh()
    assert shelf.states() == {1: "unloading", 2: "loaded", 3: "loaded"}
    assert np.isfinite(held.engine.predict(np.ones((1, 3), np.float32))).all()
    engine = weakref.ref(held.engine)
    del held
    assert engine() is None
    assert shelf.states() == {2: "loaded", 3: "loaded"}


def test_a_new_version_of_the_same_inputs_needs_no_schemas_of_its_own(shelf: Shelf) -> None:
    before = shelf.host.find(MODEL)
    shelf.publish()
    shelf.host.refresh()
    now = shelf.host.find(MODEL)
    assert now is not before
    assert now.accepted is before.accepted


def test_only_labelled_versions_and_those_of_the_policy_stay_loaded(shelf: Shelf) -> None:
    shelf.registry.set_label(MODEL, "first", 1)
    for _ in range(4):
        shelf.publish()
    shelf.host.refresh()
    assert shelf.states() == {1: "loaded", 4: "loaded", 5: "loaded"}
    named = Host(shelf.registry, "litert", parse("calories=2,9"))
    named.refresh()
    states = {version: state for version, (state, _) in named.model(MODEL).versions().items()}
    assert states == {1: "loaded", 2: "loaded", 5: "loaded", 9: "failed"}
    assert "has no version 9" in named.model(MODEL).failures[9]


def test_an_idle_look_reads_no_manifest_and_loads_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shelf.host.find(MODEL)
    monkeypatch.setattr(shelf.registry, "manifest", None)
    monkeypatch.setattr(shelf.registry, "placed", None)
    shelf.host.refresh()
    assert shelf.host.find(MODEL) is before


def nonsense(draft: Path, card: Manifest) -> Manifest:
    """Make the model one that no engine loads."""
    (draft / "model.tflite").write_bytes(b"nonsense")
    return card


def boundless(_: Path, card: Manifest) -> Manifest:
    """Make the training mean one that no number answers."""
    means = tuple(each.model_copy(update={"mean": 3e38, "max": 3e38}) for each in card.inputs)
    return card.model_copy(update={"inputs": means})


@pytest.mark.parametrize("spoil", [nonsense, boundless])
def test_a_whole_version_that_cannot_answer_leaves_the_old_one_serving(
    shelf: Shelf, spoil: Callable[[Path, Manifest], Manifest]
) -> None:
    with staging(shelf.registry, MODEL) as draft:
        shutil.copy(shelf.twin(1), draft)
        card = spoil(draft, shelf.registry.manifest(MODEL, 1))
        publish(shelf.registry, draft, card, promote=True)
    assert shelf.serves() == 1
    assert shelf.states()[2] == "failed"


def test_a_label_whose_new_version_failed_keeps_one_that_nobody_else_wants(shelf: Shelf) -> None:
    for _ in range(2):
        shelf.publish(promote=False)
    shelf.publish(damaged=True)
    assert shelf.serves() == 1


def test_a_failed_version_is_tried_again_when_its_files_change_and_forgotten_when_unwanted(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []
    verify = shelf.registry.verify

    def count(model: str, version: int) -> Manifest:
        tried.append(version)
        return verify(model, version)

    monkeypatch.setattr(shelf.registry, "verify", count)
    shelf.publish(damaged=True)
    assert [shelf.serves() for _ in range(3)] == [1, 1, 1]
    assert tried == [2]
    shelf.twin(2).touch()
    assert (shelf.serves(), tried) == (1, [2, 2])
    shelf.repair(2)
    assert shelf.serves() == 2
    shelf.publish(damaged=True, promote=False)
    shelf.host.refresh()
    for _ in range(2):
        shelf.publish()
    assert (shelf.serves(), 3 in shelf.states()) == (5, False)


def test_a_version_that_the_disk_did_not_give_is_tried_again(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Manifest:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "model.tflite")

    shelf.publish()
    with monkeypatch.context() as fault:
        fault.setattr(shelf.registry, "verify", fail)
        assert shelf.serves() == 1
    assert shelf.serves() == 2


def test_a_model_that_is_gone_and_back_is_served_again(shelf: Shelf, shipped: Registry) -> None:
    import_version(shelf.registry, shipped.folder("deep", 1))
    folder, away = shelf.registry.root / MODEL, shelf.registry.root / ".away"
    folder.rename(away)
    with pytest.raises(NotFound):
        shelf.serves()
    away.rename(folder)
    assert shelf.serves() == 1


def test_a_host_that_starts_with_nothing_to_serve_says_why(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    shelf.twin(1).write_bytes(b"?")
    nothing = NotFound, "There is no model 'calories'; served are: none yet"
    for registry, (kind, why) in (
        (Registry(tmp_path / "empty"), nothing),
        (shelf.registry, (NotLoaded, CHANGED)),
    ):
        host = Host(registry, "litert", parse("all"))
        host.refresh()
        with pytest.raises(kind, match=why):
            host.find(MODEL)


def test_a_version_is_loading_until_it_is_served_and_is_served_when_the_log_tells_of_it(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    def told(record: logging.LogRecord) -> bool:
        seen.append((record.getMessage(), shelf.host.find(MODEL).version))
        return True

    def checked(_: object) -> None:
        seen.append((shelf.states(), shelf.host.find(MODEL).version))

    shelf.publish()
    monkeypatch.setattr("service.serving.loaded.Loaded._check", checked)
    monkeypatch.setattr(logging.getLogger("service.host"), "filters", [told])
    with caplog.at_level(logging.INFO, "service.host"):
        shelf.host.refresh()
    loading = {1: "loaded", 2: "loading"}, 1
    assert seen[:2] == [loading, ("calories version 2 is loaded (litert).", 2)]


def test_a_loaded_version_that_is_damaged_on_disk_goes_on_and_tells(shelf: Shelf) -> None:
    before = shelf.host.find(MODEL)
    shelf.twin(1).write_bytes(b"?")
    (shelf.registry.folder(MODEL, 1) / "manifest.json").touch()
    shelf.host.refresh()
    assert shelf.host.find(MODEL) is before
    state, reason = shelf.host.model(MODEL).versions()[1]
    assert (state, CHANGED in reason) == ("loaded", True)


PEOPLE = [f"person-{n}" for n in range(4000)]


@pytest.fixture
def canary(shelf: Shelf) -> Shelf:
    """Version 1 is stable, version 2 is the canary of a quarter of the requests."""
    shelf.publish(promote=False)
    return given(shelf, 2, percent=25)


def given(shelf: Shelf, version: int, percent: float) -> Shelf:
    """The shelf when its canary is this version."""
    shelf.registry.set_label(MODEL, "canary", version, percent=percent)
    shelf.host.refresh()
    return shelf


def share(shelf: Shelf, keys: list[str]) -> float:
    return sum(shelf.host.find(MODEL, key=key).version == 2 for key in keys) / len(keys)


@pytest.mark.parametrize("keys", [PEOPLE, [""] * 4000], ids=["by key", "by chance"])
def test_a_canary_takes_its_share(canary: Shelf, keys: list[str]) -> None:
    assert 0.2 < share(canary, keys) < 0.3  # five standard deviations to either side are 0.034


def test_a_key_keeps_its_version_in_every_process_and_the_answer_tells_the_label(
    canary: Shelf,
) -> None:
    found = [canary.host.find(MODEL, key=key) for key in ("anna", "emil") * 20]
    assert [(it.version, it.label) for it in found] == [(1, ""), (2, "canary")] * 20


def test_a_larger_share_keeps_those_it_had_up_to_all(canary: Shelf) -> None:
    had = [key for key in PEOPLE if canary.host.find(MODEL, key=key).version == 2]
    assert share(given(canary, 2, percent=50), had) == 1
    assert share(given(canary, 2, percent=100), [*PEOPLE, ""]) == 1


def test_a_request_that_chooses_is_no_canarys(canary: Shelf) -> None:
    choices: Any = ({"version": 1}, 1), ({"label": "stable"}, 1), ({"label": "canary"}, 2)
    for choice, version in choices:
        found = [canary.host.find(MODEL, key=key, **choice) for key in PEOPLE[:100]]
        assert {(it.version, it.label) for it in found} == {(version, "")}


def test_a_canary_that_cannot_be_loaded_takes_nothing_from_stable(shelf: Shelf) -> None:
    given(shelf, shelf.publish(promote=False, damaged=True), percent=100)
    assert shelf.serves() == 1


def test_a_canary_keeps_its_share_when_its_new_version_fails_and_none_when_removed(
    canary: Shelf,
) -> None:
    given(canary, canary.publish(promote=False, damaged=True), percent=100)
    assert 0.2 < share(canary, PEOPLE) < 0.3
    canary.registry.remove_label(MODEL, "canary")
    canary.host.refresh()
    assert share(canary, PEOPLE) == 0


ALL = (1, 2, 3, 4)
POLICIES: dict[str, tuple[tuple[int, ...], ...]] = {  # the versions of `calories` and of `deep`
    "latest:2": ((3, 4), (3, 4)),
    "latest:9": (ALL, ALL),
    "all": (ALL, ALL),
    "calories=1,3; deep=2": ((1, 3), (2,)),
    "calories=1,3": ((1, 3), ()),
    "latest:1;calories=1,3": ((1, 3), (4,)),
    "calories=7;all": ((7,), ALL),
}


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_says_which_versions_of_which_model(text: str) -> None:
    wanted = parse(text).wanted
    assert (wanted("calories", ALL), wanted("deep", ALL)) == POLICIES[text]


def test_anything_else_is_a_wrong_setting_told_with_the_forms_there_are() -> None:
    wrong = ["", "newest", "latest:0", "latest", "calories=", "calories=0", "all;"]
    for text in [*wrong, "calories=1;calories=2", "all;latest:2"]:
        with pytest.raises(ValidationError, match=r"expected (one of )?'latest:"):
            Settings(versions=text)
