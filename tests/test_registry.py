"""The registry: versions, labels and their history."""

import json
from pathlib import Path

import pytest

from models.publish import prune
from models.registry import BrokenVersion, NotInRegistry, Registry, RegistryError
from tests.conftest import Publish


def test_versions_are_numbered_from_1(registry: Registry, publish_text: Publish) -> None:
    assert [publish_text(), publish_text()] == [1, 2]
    assert registry.versions("half") == (1, 2)


def test_a_folder_without_a_manifest_is_no_version(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    (registry.root / "half" / "7").mkdir()
    assert registry.versions("half") == (1,)


def test_a_model_without_versions_is_no_model(registry: Registry) -> None:
    (registry.root / "empty").mkdir()
    assert registry.models() == ()


def test_without_labels_json_stable_is_the_latest(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    publish_text(promote=False)
    (registry.root / "half" / "labels.json").unlink()
    assert registry.labels("half") == {"stable": 2}


def test_an_unknown_model_is_refused_with_the_known(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    with pytest.raises(NotInRegistry, match=r"There is no model 'bread' in .*; it has: half"):
        registry.latest("bread")


def test_an_unknown_version_is_refused_with_the_known(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    with pytest.raises(NotInRegistry, match=r"has no version 3; it has: 1"):
        registry.folder("half", 3)


@pytest.mark.parametrize("name", ["..", "../half", "", "Half", "a/b", ".staging-x", "a" * 64])
def test_a_name_that_could_leave_the_shelf_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(NotInRegistry, match="is no model name"):
        registry.versions(name)


def test_a_missing_registry_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="does not exist"):
        Registry(tmp_path / "nowhere").models()


@pytest.mark.parametrize("text", ['{"stable"', "[]", '{"stable": "1"}', '{"stable": true}', "1"])
def test_nonsense_in_labels_json_names_the_file(
    registry: Registry, publish_text: Publish, text: str
) -> None:
    publish_text()
    (registry.root / "half" / "labels.json").write_text(text)
    with pytest.raises(RegistryError, match=r"labels\.json"):
        registry.labels("half")


def test_a_label_can_be_set_and_moved(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    publish_text()
    registry.set_label("half", "canary", 1)
    registry.set_label("half", "canary", 2)
    assert registry.labels("half") == {"stable": 2, "canary": 2}


def test_a_label_cannot_name_a_version_that_is_not_there(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    with pytest.raises(NotInRegistry, match="no version 9"):
        registry.set_label("half", "canary", 9)


def test_rollback_undoes_the_last_move_and_then_the_one_before(
    registry: Registry, publish_text: Publish
) -> None:
    for _ in range(3):
        publish_text()
    assert registry.rollback("half") == 2
    assert registry.rollback("half") == 1


def test_rollback_passes_over_a_version_that_was_never_stable(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    publish_text(promote=False)
    publish_text()
    assert registry.rollback("half") == 1


def test_rollback_from_the_start_is_refused(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    with pytest.raises(NotInRegistry, match="has been at version 1 from the start"):
        registry.rollback("half")


def test_a_history_line_that_a_crash_cut_short_is_passed_over(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    publish_text()
    with (registry.root / "half" / "history.jsonl").open("a") as history:
        history.write('{"time": "2026')
    assert registry.rollback("half") == 1


def test_prune_keeps_the_newest_and_the_labelled(registry: Registry, publish_text: Publish) -> None:
    for _ in range(5):
        publish_text()
    registry.set_label("half", "first", 1)
    assert prune(registry, "half", keep=2) == (2, 3)
    assert registry.versions("half") == (1, 4, 5)


def test_prune_keeps_at_least_one(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    with pytest.raises(RegistryError, match="at least 1 version, received 0"):
        prune(registry, "half", keep=0)


def test_verify_accepts_what_was_published(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    assert list(registry.verify("half", 1).files) == ["weights.txt"]


def test_verify_names_a_changed_file(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    (registry.folder("half", 1) / "weights.txt").write_text("0.6")
    with pytest.raises(BrokenVersion, match=r"weights\.txt is not the file that was published"):
        registry.verify("half", 1)


def test_verify_names_a_missing_file(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    (registry.folder("half", 1) / "weights.txt").unlink()
    with pytest.raises(BrokenVersion, match=r"weights\.txt is missing"):
        registry.verify("half", 1)


def test_verify_names_a_file_that_was_slipped_in(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    (registry.folder("half", 1) / "extra").touch()
    with pytest.raises(BrokenVersion, match="extra is not in the manifest"):
        registry.verify("half", 1)


def test_a_read_file_is_checked(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    manifest = registry.manifest("half", 1)
    assert registry.read(manifest, "weights.txt") == b"0.5"
    (registry.folder("half", 1) / "weights.txt").write_text("0.6")
    with pytest.raises(BrokenVersion):
        registry.read(manifest, "weights.txt")


def test_a_truncated_manifest_is_named(registry: Registry, publish_text: Publish) -> None:
    publish_text()
    path = registry.folder("half", 1) / "manifest.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(BrokenVersion, match=r"manifest\.json cannot be read as a manifest"):
        registry.manifest("half", 1)


def test_an_unknown_field_in_a_manifest_is_refused(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    path = registry.folder("half", 1) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    with pytest.raises(BrokenVersion, match="colour"):
        registry.manifest("half", 1)


def test_a_version_folder_that_was_renamed_is_refused(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    registry.folder("half", 1).rename(registry.root / "half" / "2")
    with pytest.raises(BrokenVersion, match="describes half version 1, not half version 2"):
        registry.manifest("half", 2)
