"""python -m models."""

import json
import shutil
from pathlib import Path

import pytest

from models.__main__ import main
from models.registry import Registry
from tests.conftest import Publish


@pytest.fixture
def shelf(registry: Registry, publish_text: Publish) -> Registry:
    """`half` with two versions, the second stable."""
    publish_text()
    publish_text()
    return registry


def models(shelf: Registry, *arguments: str) -> int:
    return main(["--registry", str(shelf.root), *arguments])


def test_list_shows_every_version_with_its_labels(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(shelf, "list") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:2] == ["half", "1"]
    assert second.split()[-1] == "stable"


def test_list_goes_on_after_a_version_that_cannot_be_read(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    (shelf.folder("half", 1) / "manifest.json").write_text("{}")
    assert models(shelf, "list") == 1
    said = capsys.readouterr()
    assert said.err.startswith("half 1: ")
    assert said.out.split()[:2] == ["half", "2"]


def test_without_an_option_it_is_the_registry_of_the_environment(
    shelf: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REGISTRY", str(shelf.root))
    assert main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_show_prints_the_manifest_of_stable(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(shelf, "show", "half") == 0
    assert json.loads(capsys.readouterr().out)["version"] == 2


def test_verify_passes_over_whole_versions(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(shelf, "verify") == 0
    assert capsys.readouterr().out.splitlines()[0] == "half 1: 1 files match the manifest"


def test_verify_fails_for_a_damaged_version_and_goes_on(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    (shelf.folder("half", 1) / "weights.txt").unlink()
    assert models(shelf, "verify") == 1
    said = capsys.readouterr()
    assert "weights.txt is missing" in said.err
    assert said.out == "half 2: 1 files match the manifest\n"


def test_label_moves_a_label(shelf: Registry) -> None:
    assert models(shelf, "label", "half", "canary", "1") == 0
    assert shelf.labels("half")["canary"] == 1


def test_a_label_takes_and_loses_a_share(
    shelf: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models(shelf, "label", "half", "canary", "1", "--percent", "5") == 0
    assert models(shelf, "list") == 0
    assert models(shelf, "unlabel", "half", "canary") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "half: canary is version 1, for 5 % of the requests"
    assert said[1].endswith("canary(5%)")
    assert said[-1] == "half: canary is removed"


def test_rollback_moves_stable_back(shelf: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert models(shelf, "rollback", "half") == 0
    assert capsys.readouterr().out == "half: stable is version 1 again\n"


def test_prune_tells_what_it_removed(shelf: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    assert models(shelf, "prune", "half", "--keep", "1") == 0
    assert capsys.readouterr().out == "half: removed 1\n"


def test_import_publishes_a_copy(shelf: Registry, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Registry(tmp_path / "other")
    assert models(other, "import", str(shelf.folder("half", 2))) == 0
    assert other.versions("half") == (1,)


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "bread"),
        ("label", "half", "canary", "9"),
        ("label", "half", "canary", "1", "--percent", "0"),
        ("unlabel", "half", "stable"),
        ("import", "/nowhere/half/1"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    shelf: Registry, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert models(shelf, *arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("models: ")
    assert "Traceback" not in said


def test_compare_tells_what_another_registry_has(
    shelf: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(shelf.root, other)
    assert models(shelf, "compare", str(other)) == 0
    assert capsys.readouterr().out == f"{shelf.root} has every version of {other}\n"
    for number in ("1", "2"):
        shutil.rmtree(shelf.root / "half" / number)
    assert models(shelf, "compare", str(other)) == 0
    told = f"half: {other}/half/2 is not in {shelf.root}; 'import {other}/half/2' publishes it"
    assert told in capsys.readouterr().out


def test_compare_knows_an_imported_version_again(
    shelf: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(shelf.root, other)
    assert models(shelf, "import", str(other / "half" / "1")) == 0
    shutil.rmtree(shelf.root / "half" / "1")
    shutil.rmtree(shelf.root / "half" / "2")
    capsys.readouterr()
    assert models(shelf, "compare", str(other)) == 0
    assert f"{other}/half/1" not in capsys.readouterr().out
