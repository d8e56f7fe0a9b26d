"""What lies in a version: nothing but what was published is used, and nothing hangs or floods."""

import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from models import files
from models.manifest import MOST_BYTES
from models.registry import BrokenVersion, Registry
from tests.models.conftest import Run

Spoil = Callable[[Path], object]
DIGEST = "0" * 64


@pytest.fixture
def version(two: Registry) -> Path:
    """Version 1 of `half`."""
    return two.folder("half", 1)


def link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def plug(path: Path) -> None:
    place = os.open(path.parent, os.O_PATH)  # a socket's own path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{place}/{path.name}")
    os.close(place)


def replaced(name: str, make: Spoil) -> Spoil:
    def spoil(version: Path) -> None:
        (version / name).unlink()
        make(version / name)

    return spoil


def told(change: Mapping[str, object], more: Mapping[str, str] | None = None) -> Spoil:
    """The manifest says something else, and has more files."""

    def spoil(version: Path) -> None:
        path = version / "manifest.json"
        manifest = json.loads(path.read_bytes())
        manifest["files"] |= more or {}
        path.write_text(json.dumps({**manifest, **change}))

    return spoil


def swollen(name: str, size: int) -> Spoil:
    return lambda version: os.truncate(version / name, size)


def many_large(version: Path) -> None:
    many = {f"{number}.bin": DIGEST for number in range(900)}
    for name in many:
        (version / name).touch()
        os.truncate(version / name, files.LARGEST // 800)
    told({}, many)(version)


OUT = ("../x", "a/../../x", "/etc/passwd", "", ".", "a//b", "./a", "a/", "a\nb", "model.sig")
SPOILT: dict[str, tuple[Spoil, str]] = {
    "changed": (
        lambda version: (version / "weights.txt").write_text("0.6"),
        "weights.txt is not the file that was published: expected SHA-256",
    ),
    "missing": (lambda version: (version / "weights.txt").unlink(), "weights.txt is missing"),
    "further": (lambda version: (version / "extra").touch(), "extra is not in the manifest"),
    "named on two lines": (
        lambda version: (version / "a\nb\udce9").touch(),
        r"a\nb\udce9' is not in the manifest",
    ),
    "a link": (replaced("weights.txt", link), "weights.txt is a link: a registry is made of"),
    "a pipe": (replaced("weights.txt", os.mkfifo), "weights.txt is a pipe"),
    "a linked folder": (
        lambda version: (version / "variables").symlink_to(version.parent),
        "variables is a link",
    ),
    "a linked manifest": (replaced("manifest.json", link), "manifest.json is a link"),
    "cut": (swollen("manifest.json", 100), "manifest.json cannot be read as a manifest"),
    "unknown field": (told({"colour": "red"}), "the file: Extra inputs are not permitted"),
    "large": (swollen("weights.txt", files.LARGEST + 1), "half/1 has more bytes than the 2,147"),
    "large together": (many_large, "half/1 has more bytes than the 2,147,483,648"),
    "large manifest": (
        swollen("manifest.json", MOST_BYTES + 1),
        "manifest.json has more bytes than the 1,048,576",
    ),
    **{
        f"leading to {name!r}": (told({}, {name: DIGEST}), "one is no file of a version: expected")
        for name in (*OUT, "manifest.json", "a" * 256)
    },
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_what_is_not_as_it_was_published_is_told_in_a_line_and_not_imported(
    two: Registry, version: Path, run: Run, spoilt: str
) -> None:
    spoil, sentence = SPOILT[spoilt]
    spoil(version)
    code, said = run("verify half")
    assert code == 1
    assert "half 2: 1 files match the manifest\n" in said, "the others are looked at all the same"
    assert re.search(f"^half 1: .*{re.escape(sentence)}.*$", said, re.MULTILINE)
    assert said.count("\n") == 2
    code, said = run("import {one}")
    assert code == 1
    assert sentence in said
    assert two.versions("half") == (1, 2)


def test_a_version_folder_that_was_renamed_is_refused(two: Registry, run: Run) -> None:
    two.folder("half", 1).rename(two.root / "half" / "3")
    assert "describes another version than half 3: was the folder copied" in run("verify half 3")[1]


def test_a_pipe_for_a_manifest_makes_no_version(two: Registry, version: Path) -> None:
    replaced("manifest.json", os.mkfifo)(version)
    assert two.versions("half") == (2,)


@pytest.mark.parametrize(
    ("make", "kind"),
    [(link, "link"), (os.mkfifo, "pipe"), (plug, "socket"), (Path.mkdir, "folder"), (id, "device")],
)
def test_what_is_no_file_is_not_read_and_not_waited_for(
    tmp_path: Path, make: Spoil, kind: str
) -> None:
    path = Path("/dev/zero") if make is id else tmp_path / "it"
    make(path)
    with pytest.raises(BrokenVersion, match=f"{path} is a {kind}: a registry is made of files"):
        files.read(path)


def test_a_large_file_is_not_read_at_all(tmp_path: Path) -> None:
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", files.LARGEST + 1)
    with pytest.raises(BrokenVersion):
        next(files._pieces(tmp_path / "large"))


def test_a_file_that_grows_while_it_is_read_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CHUNK", 4)
    growing = tmp_path / "growing"
    growing.write_text("four")
    pieces = files._pieces(growing, limit=10)
    for _ in range(3):
        assert next(pieces) == b"four"
        growing.write_text(growing.read_text() + "four")
    with pytest.raises(BrokenVersion, match=r"has more bytes than the 10 that it may have"):
        next(pieces)


def test_more_files_than_a_manifest_may_name_are_refused_and_not_looked_at(
    two: Registry, version: Path
) -> None:
    for number in range(files.MOST_ENTRIES):
        (version / f"{number}.bin").touch()
    with pytest.raises(BrokenVersion, match="half/1 has more than 2,000 files and folders"):
        two.verify("half", 1)
    assert len(two.version_stamp("half", 1)) == files.MOST_ENTRIES


def test_folders_in_folders_are_walked_to_their_end(two: Registry, version: Path) -> None:
    places = [version]
    for _ in range(1200):  # deeper than Python calls itself
        places.append(places[-1] / "a")
        places[-1].mkdir()
    assert two.verify("half", 1)
    assert len(two.version_stamp("half", 1)) == 1202
    for place in reversed(places[1:]):
        place.rmdir()


def test_what_is_read_or_copied_is_what_was_checked(
    two: Registry, version: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = files._pieces

    def exchanged(path: Path, *limit: int) -> Iterator[bytes]:
        """Somebody exchanges each file the moment it has been read."""
        yield from pieces(path, *limit)
        path.write_text("0.6")

    manifest = two.manifest("half", 1)
    monkeypatch.setattr(files, "_pieces", exchanged)
    assert two.read(manifest, "weights.txt") == b"0.5"
    (version / "weights.txt").write_text("0.5")
    two.copy(manifest, ["weights.txt"], tmp_path / "copy")
    assert (tmp_path / "copy" / "weights.txt").read_text() == "0.5"
    with pytest.raises(BrokenVersion, match="is not the file that was published"):
        two.read(manifest, "weights.txt")
    with pytest.raises(BrokenVersion, match="is not the file that was published"):
        two.copy(manifest, ["weights.txt"], tmp_path / "other")
