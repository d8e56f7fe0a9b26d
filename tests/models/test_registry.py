"""Versions, labels and their history, as `python -m models` shows and moves them."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.__main__ import main
from models.labels import LARGEST, MOST, Place, parse, render
from models.publish import import_version
from models.registry import Registry
from tests.conftest import Publish
from tests.models.conftest import Run

AGAIN = "half: stable is version {} again"

# One after the other on two versions, and what the last of them says.
DONE = {
    "rollback half": AGAIN.format(1),
    "label half stable 1; rollback half; rollback half": AGAIN.format(1),
    # A version that was never stable is passed over, and so is what other labels did.
    "import {one} --no-promote; import {one}; rollback half": AGAIN.format(2),
    "label half canary 2; label half canary 1; rollback half": AGAIN.format(1),
    "label half canary 1; unlabel half canary; rollback half": AGAIN.format(1),
    "label half canary 1": "half: canary is version 1\n",
    "label half canary 1 --percent 5": "half: canary is version 1, for 5 % of the requests",
    "label half canary 2; label half canary 1; list": "canary\n",
    "label half canary 1 --percent 5; list": r"canary\(5%\)\n",
    "label half canary 1 --percent 5; label half canary 1; list": "canary\n",
    "label half canary 1 --percent 5; import {one}; list": r"canary\(5%\)\n",
    "label half canary 1; label half canary 2 --percent 5; rollback half canary; list": (
        r"half +1 .* canary\(5%\)\n"
    ),
    "unlabel half canary": "has no label 'canary'; it has: stable",
    "label half canary 1; unlabel half canary": "half: canary is removed",
    "show half": '"version": 2,',
    "show half 1": '"version": 1,',
    "import {one}; import {one}; label half first 1; prune half --keep 2": "half: removed 2\n",
    "prune half": "half: removed nothing",
}
REFUSED = {
    "show bread": "There is no model 'bread' in .*; it has: half",
    "show half 3": "has no version 3; it has: 1, 2",
    "show ../half": "'../half' is no model name: expected lower-case letters",
    "show .staging-x": "is no model name",
    f"show {'a' * 64}": "is no model name",
    "label half canary 9": "has no version 9",
    "label half Canary 1": "'Canary' is no label",
    "label half canary/1 1": "'canary/1' is no label",
    "label half canary 1 --percent 0": "more than 0 and at most 100 percent",
    "label half canary 1 --percent 100.1": "more than 0 and at most 100 percent",
    "label half stable 1 --percent 5": "'stable' takes what the other labels leave",
    "label half canary 1 --percent 60; label half other 1 --percent 41": (
        "more than 100 percent together: canary 60, other 41"
    ),
    "unlabel half stable": "'stable' cannot be removed",
    "rollback half; rollback half": "has been at version 1 from the start",
    "prune half --keep 1; rollback half": "has no version 1",
    "import /nowhere/half/1": "cannot be read: No such file",
    "--registry /nowhere list": "The registry folder /nowhere does not exist",
}


@pytest.mark.parametrize("commands", [*DONE, *REFUSED])
def test_what_commands_do_one_after_the_other(run: Run, commands: str) -> None:
    code, said = [run(command) for command in commands.split("; ")][-1]
    assert re.search({**DONE, **REFUSED}[commands], said)
    if commands in REFUSED:
        assert code == 1
        assert said.startswith("models: ")
        assert said.count("\n") == 1


def test_a_folder_without_a_manifest_is_no_version_and_one_without_versions_no_model(
    two: Registry,
) -> None:
    (two.root / "half" / "7").mkdir()
    (two.root / "empty").mkdir()
    assert two.versions("half") == (1, 2)
    assert two.models() == ("half",)


def test_list_goes_on_after_a_version_that_cannot_be_read(two: Registry, run: Run) -> None:
    (two.folder("half", 1) / "manifest.json").write_text("{}")
    code, said = run("list")
    assert code == 1
    assert re.search("^half +2 .* stable$", said, re.MULTILINE)
    assert re.search("^half 1: ", said, re.MULTILINE)


def test_without_an_option_it_is_the_registry_of_the_environment(
    two: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGISTRY", str(two.root))
    assert main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_compare_tells_what_is_not_here_under_any_number(
    two: Registry, run: Run, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(two.root, other)
    assert run(f"compare {other}") == (0, f"{two.root} has every version of {other}\n")
    run(f"import {other}/half/1")
    for number in ("1", "2"):
        shutil.rmtree(two.root / "half" / number)
    manifest = other / "half" / "2" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('weights.txt": "', 'other.txt": "'))
    told = f"half: {other}/half/2 is not in {two.root}; 'import {other}/half/2' publishes it\n"
    assert run(f"compare {other}") == (0, told)


def test_without_labels_json_stable_is_the_latest_until_a_label_is_set(two: Registry) -> None:
    labels = two.root / "half" / "labels.json"
    labels.unlink()
    assert two.labels("half") == {"stable": 2}
    two.set_label("half", "canary", 1)
    assert json.loads(labels.read_text()) == {"stable": 2, "canary": 1}


def test_who_reads_the_labels_while_one_moves_reads_them_as_they_were(two: Registry) -> None:
    path = two.root / "half" / "labels.json"
    with path.open() as reading:
        before = path.read_text()
        two.set_label("half", "stable", 1)
        assert reading.read() == before != path.read_text()


def test_as_many_labels_as_there_may_be_can_be_read_with_the_longest_names() -> None:
    longest = {f"{number:a>63}": Place(999_999_999, 1 / 3e300) for number in range(MOST - 1)}
    places = {"stable": Place(999_999_999), **longest}
    written = render(places).encode()
    assert len(written) < LARGEST
    assert parse(written) == places


def rewrite(_: Registry, manifest: Path) -> None:
    was = manifest.stat()
    manifest.write_bytes(manifest.read_bytes())
    os.utime(manifest, ns=(was.st_atime_ns, was.st_mtime_ns))


def publish_set_back(two: Registry, manifest: Path) -> None:
    import_version(two, manifest.parent, promote=False)
    os.utime(two.folder("half", 3) / "manifest.json", (0, 0))


def set_labels_back(two: Registry, _: Path) -> None:
    labels = two.root / "half" / "labels.json"
    labels.write_text(labels.read_text().replace("2", "1"))
    os.utime(labels, (0, 0))


@pytest.mark.parametrize(
    "change",
    [
        publish_set_back,
        set_labels_back,
        rewrite,
        lambda _, manifest: Path(shutil.copy2(manifest, f"{manifest}.new")).rename(manifest),
        lambda _, manifest: shutil.rmtree(manifest.parent),
    ],
    ids=["publish", "label", "rewrite", "replace", "remove"],
)
def test_the_stamp_changes_with_every_change_whatever_the_clock_says(
    two: Registry, change: Callable[[Registry, Path], None]
) -> None:
    os.utime(two.root / "half" / "labels.json", (0, 0))
    before = two.stamps()
    assert two.stamps() == before
    change(two, two.folder("half", 1) / "manifest.json")
    assert two.stamps() != before


def test_a_history_that_was_cut_short_costs_its_last_line_only(
    two: Registry, publish_text: Publish
) -> None:
    publish_text()
    history = two.root / "half" / "history.jsonl"
    history.write_text(history.read_text() + '{"time": "2026')
    two.set_label("half", "stable", 1)
    assert json.loads(history.read_text().splitlines()[-1])["now"] == 1
    assert two.rollback("half") == 3
