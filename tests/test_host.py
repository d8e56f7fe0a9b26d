"""The host: it follows the registry, and what was served goes on whatever happens there."""

from pathlib import Path

import numpy as np
import pytest

from models.publish import import_version
from models.registry import Registry
from service.errors import NotFound, NotLoaded
from service.host import Host
from service.policy import Policy
from tests.serving import await_


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
