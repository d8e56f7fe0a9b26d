"""The registry: versions, labels and their history."""

import json
import os
import shutil
from pathlib import Path

import pytest

from models.labels import LARGEST, MOST, Place, parse, render
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


def test_a_first_label_leaves_stable_where_it_was(shipped: Registry, registry: Registry) -> None:
    shutil.copytree(shipped.folder("deep", 1), registry.root / "deep" / "1")
    registry.set_label("deep", "canary", 1)
    assert registry.labels("deep") == {"stable": 1, "canary": 1}
    registry.remove_label("deep", "canary")
    assert registry.labels("deep") == {"stable": 1}


def test_a_label_cannot_name_a_version_that_is_not_there(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    with pytest.raises(NotInRegistry, match="no version 9"):
        registry.set_label("half", "canary", 9)


@pytest.mark.parametrize("label", ["", "Canary", "can ary", "canary\n", "canary/1"])
def test_what_no_label_may_be_called_is_refused(
    registry: Registry, publish_text: Publish, label: str
) -> None:
    publish_text()
    with pytest.raises(RegistryError, match="is no label"):
        registry.set_label("half", label, 1)


@pytest.fixture
def two(registry: Registry, publish_text: Publish) -> Registry:
    """`half` with versions 1 and 2, the second stable."""
    publish_text()
    publish_text()
    return registry


def test_who_reads_the_labels_while_one_moves_reads_them_as_they_were(two: Registry) -> None:
    path = two.root / "half" / "labels.json"
    with path.open() as reading:
        before = path.read_text()
        two.set_label("half", "stable", 1)
        assert reading.read() == before != path.read_text()


def test_a_label_can_take_a_share(two: Registry) -> None:
    two.set_label("half", "canary", 1, percent=5)
    assert two.placed("half") == {"stable": Place(2), "canary": Place(1, 5)}
    assert two.labels("half") == {"stable": 2, "canary": 1}


def test_a_label_that_is_set_without_a_share_loses_it(two: Registry) -> None:
    two.set_label("half", "canary", 1, percent=5)
    two.set_label("half", "canary", 2)
    assert two.placed("half")["canary"] == Place(2)


def test_publishing_leaves_the_shares(two: Registry, publish_text: Publish) -> None:
    two.set_label("half", "canary", 1, percent=5)
    publish_text()
    assert two.placed("half") == {"stable": Place(3), "canary": Place(1, 5)}


def test_a_rollback_moves_a_label_with_its_share(two: Registry) -> None:
    two.set_label("half", "canary", 1)
    two.set_label("half", "canary", 2, percent=5)
    two.rollback("half", "canary")
    assert two.placed("half")["canary"] == Place(1, 5)


@pytest.mark.parametrize("percent", [0, -1, 100.1, float("nan"), float("inf")])
def test_a_share_that_cannot_be_is_refused(two: Registry, percent: float) -> None:
    with pytest.raises(RegistryError, match="more than 0 and at most 100 percent"):
        two.set_label("half", "canary", 1, percent=percent)
    assert two.labels("half") == {"stable": 2}


def test_shares_of_more_than_100_percent_together_are_refused(two: Registry) -> None:
    two.set_label("half", "canary", 1, percent=60)
    with pytest.raises(RegistryError, match="more than 100 percent together: canary 60, other 41"):
        two.set_label("half", "other", 1, percent=41)


def test_as_many_labels_as_there_may_be_can_be_read_with_the_longest_names() -> None:
    longest = {f"{number:a>63}": Place(999_999_999, 1 / 3e300) for number in range(MOST - 1)}
    places = {"stable": Place(999_999_999), **longest}
    written = render(places).encode()
    assert len(written) < LARGEST
    assert parse(written) == places


def test_stable_takes_no_share(two: Registry) -> None:
    with pytest.raises(RegistryError, match="give it no percent"):
        two.set_label("half", "stable", 1, percent=5)


@pytest.mark.parametrize(
    "text",
    [
        '{"canary": {"version": 1}}',
        '{"canary": {"version": 1, "percent": 101}}',
        '{"canary": {"version": true, "percent": 5}}',
        '{"canary": {"version": 1, "percent": "5"}}',
        '{"canary": {"version": 1, "percent": NaN}}',
        '{"canary": {"version": 1, "percent": 5, "colour": "red"}}',
        '{"stable": {"version": 1, "percent": 5}}',
    ],
)
def test_a_wrong_share_in_labels_json_names_the_file(two: Registry, text: str) -> None:
    (two.root / "half" / "labels.json").write_text(text)
    with pytest.raises(RegistryError, match=r"labels\.json"):
        two.labels("half")


def test_a_label_can_be_removed(two: Registry) -> None:
    two.set_label("half", "canary", 1, percent=5)
    two.remove_label("half", "canary")
    assert two.labels("half") == {"stable": 2}
    assert two.rollback("half") == 1, "the history goes on"


def test_stable_cannot_be_removed(two: Registry) -> None:
    with pytest.raises(RegistryError, match="cannot be removed"):
        two.remove_label("half", "stable")


def test_a_label_that_is_not_there_cannot_be_removed(two: Registry) -> None:
    with pytest.raises(NotInRegistry, match="has no label 'canary'"):
        two.remove_label("half", "canary")


def test_the_stamp_stays_while_nothing_changes(two: Registry) -> None:
    assert two.stamps() == two.stamps()


def set_back(path: Path) -> None:
    """Date a file in the past, as after a clock was set back."""
    os.utime(path, (0, 0))


def dated_as(path: Path, other: os.stat_result) -> None:
    """Date a file as another one, as a copy that keeps the times does."""
    os.utime(path, ns=(other.st_atime_ns, other.st_mtime_ns))


@pytest.mark.parametrize("change", ["publish", "label", "edit", "rewrite", "replace", "remove"])
def test_the_stamp_changes_with_every_change_whatever_the_clock_says(
    two: Registry, publish_text: Publish, change: str
) -> None:
    labels = two.root / "half" / "labels.json"
    manifest = two.folder("half", 1) / "manifest.json"
    was = manifest.stat()
    set_back(labels)
    before = two.stamps()["half"]
    if change == "publish":
        publish_text(promote=False)
        set_back(two.folder("half", 3) / "manifest.json")
    elif change == "label":
        two.set_label("half", "stable", 1)
    elif change == "edit":
        labels.write_text(labels.read_text().replace("2", "1"))
    elif change == "rewrite":
        manifest.write_bytes(manifest.read_bytes())
        dated_as(manifest, was)
    elif change == "replace":
        copy = manifest.with_name("copy")
        copy.write_bytes(manifest.read_bytes())
        dated_as(copy, was)
        copy.rename(manifest)
    else:
        shutil.rmtree(two.folder("half", 1))
    set_back(labels)
    assert two.stamps()["half"] != before


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


def test_rollback_looks_at_the_moves_of_its_label_alone(
    registry: Registry, publish_text: Publish
) -> None:
    for _ in range(3):
        publish_text()
    registry.set_label("half", "canary", 1)
    registry.set_label("half", "canary", 3)
    assert registry.rollback("half") == 2


def test_rollback_to_a_version_that_is_gone_is_refused(two: Registry) -> None:
    prune(two, "half", keep=1)
    with pytest.raises(NotInRegistry, match="has no version 1"):
        two.rollback("half")
    assert two.labels("half") == {"stable": 2}


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
    with pytest.raises(BrokenVersion, match=r"manifest: the file: Extra inputs are not permitted"):
        registry.manifest("half", 1)


def test_a_version_folder_that_was_renamed_is_refused(
    registry: Registry, publish_text: Publish
) -> None:
    publish_text()
    registry.folder("half", 1).rename(registry.root / "half" / "2")
    with pytest.raises(BrokenVersion, match="describes another version than half 2"):
        registry.manifest("half", 2)
