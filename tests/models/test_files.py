"""What lies in a version: only what was published, and nothing that hangs, leads out or floods."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import files
from models.manifest import MOST_BYTES, Manifest
from models.publish import import_version
from models.registry import BrokenVersion, Registry
from tests.conftest import Publish


@pytest.fixture
def version(registry: Registry, publish_text: Publish) -> Path:
    """Version 1 of `half`."""
    publish_text()
    return registry.folder("half", 1)


def link(path: Path) -> None:
    copy = path.parent.parent / "copy"
    copy.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(copy)


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def plug(path: Path) -> None:
    path.unlink()
    place = os.open(path.parent, os.O_PATH)  # a socket's own path may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{place}/{path.name}")
    os.close(place)


@pytest.mark.parametrize(("replace", "kind"), [(link, "link"), (pipe, "pipe"), (plug, "socket")])
def test_what_is_no_file_is_refused_without_waiting_for_it(
    registry: Registry, version: Path, replace: Callable[[Path], None], kind: str
) -> None:
    manifest = registry.manifest("half", 1)
    replace(version / "weights.txt")
    sentence = rf"weights\.txt is a {kind}: a registry is made of files and folders alone"
    with pytest.raises(BrokenVersion, match=sentence):
        registry.verify("half", 1)
    with pytest.raises(BrokenVersion, match=sentence):
        registry.read(manifest, "weights.txt")


def test_a_link_to_a_folder_is_refused(registry: Registry, version: Path) -> None:
    (version / "variables").symlink_to(version.parent)
    with pytest.raises(BrokenVersion, match=r"variables is a link"):
        registry.verify("half", 1)


def test_a_manifest_that_is_a_link_is_refused(registry: Registry, version: Path) -> None:
    link(version / "manifest.json")
    with pytest.raises(BrokenVersion, match=r"manifest\.json is a link"):
        registry.manifest("half", 1)


def test_a_pipe_for_a_manifest_makes_no_version(registry: Registry, version: Path) -> None:
    pipe(version / "manifest.json")
    assert registry.versions("half") == ()


def test_a_file_larger_than_any_model_is_refused_unread(registry: Registry, version: Path) -> None:
    os.truncate(version / "weights.txt", files.LARGEST + 1)
    with pytest.raises(BrokenVersion, match="half/1 has more bytes than the 2,147,483,648"):
        registry.verify("half", 1)
    with pytest.raises(BrokenVersion):
        next(files._pieces(version / "weights.txt"))


def test_files_larger_together_than_any_model_are_refused_unread(
    registry: Registry, version: Path
) -> None:
    path = version / "manifest.json"
    many = {f"{number}.bin": "0" * 64 for number in range(900)}
    for name in many:
        (version / name).touch()
        os.truncate(version / name, files.LARGEST // 800)
    manifest = json.loads(path.read_bytes())
    path.write_text(json.dumps({**manifest, "files": {**manifest["files"], **many}}))
    with pytest.raises(BrokenVersion, match="half/1 has more bytes than the 2,147,483,648"):
        registry.verify("half", 1)


def test_more_files_than_a_manifest_may_name_are_refused_and_not_looked_at(
    registry: Registry, version: Path
) -> None:
    for number in range(3000):
        (version / f"{number}.bin").touch()
    with pytest.raises(BrokenVersion, match="half/1 has more than 2,000 files and folders"):
        registry.verify("half", 1)
    assert len(registry.version_stamp("half", 1)) == files.MOST_ENTRIES


def test_folders_in_folders_are_walked_to_their_end(registry: Registry, version: Path) -> None:
    places = [version]
    for _ in range(1200):  # deeper than Python calls itself
        places.append(places[-1] / "a")
        places[-1].mkdir()
    assert registry.verify("half", 1)
    assert len(registry.version_stamp("half", 1)) == 1202
    for place in reversed(places[1:]):
        place.rmdir()


def test_a_manifest_larger_than_any_is_refused_unread(registry: Registry, version: Path) -> None:
    os.truncate(version / "manifest.json", MOST_BYTES + 1)
    with pytest.raises(BrokenVersion, match=r"manifest\.json has more bytes than the 262,144"):
        registry.manifest("half", 1)


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


def test_a_device_is_refused_unread() -> None:
    with pytest.raises(BrokenVersion, match=r"/dev/zero is a device"):
        files.read(Path("/dev/zero"))


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "",
        ".",
        "a//b",
        "./a",
        "a/",
        "a\nb",
        "manifest.json",
        "model.sig",
        "a" * 256,
    ],
)
def test_a_name_in_the_manifest_that_could_lead_out_is_refused(
    registry: Registry, version: Path, name: str
) -> None:
    manifest = registry.manifest("half", 1)
    named = manifest.model_copy(update={"files": {name: "0" * 64}})
    (version / "manifest.json").write_text(named.model_dump_json())
    with pytest.raises(BrokenVersion, match="is no file of a version: expected a path inside it"):
        registry.verify("half", 1)


def test_a_file_whose_name_breaks_the_line_is_told_on_one(
    registry: Registry, version: Path
) -> None:
    (version / "a\nb\udce9").touch()
    with pytest.raises(BrokenVersion) as refused:
        registry.verify("half", 1)
    assert "\n" not in str(refused.value)
    str(refused.value).encode()


def test_a_copy_has_the_bytes_that_were_checked(
    registry: Registry, version: Path, tmp_path: Path
) -> None:
    manifest = registry.manifest("half", 1)
    registry.copy(manifest, ["weights.txt"], tmp_path / "copy")
    assert (tmp_path / "copy" / "weights.txt").read_text() == "0.5"
    (version / "weights.txt").write_text("0.6")
    with pytest.raises(BrokenVersion, match="is not the file that was published"):
        registry.copy(manifest, ["weights.txt"], tmp_path / "other")


@pytest.fixture
def exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody exchanges each file the moment it has been read."""
    pieces = files._pieces

    def read(path: Path, *limit: int) -> Iterator[bytes]:
        yield from pieces(path, *limit)
        path.write_text("0.6")

    monkeypatch.setattr(files, "_pieces", read)


def test_a_file_that_is_exchanged_once_it_was_read_is_not_what_is_used(
    registry: Registry, version: Path, exchanged: None
) -> None:
    manifest = registry.manifest("half", 1)
    assert registry.read(manifest, "weights.txt") == b"0.5"


def test_a_file_that_is_exchanged_once_it_was_read_is_not_what_is_copied(
    registry: Registry, version: Path, tmp_path: Path, exchanged: None
) -> None:
    manifest = registry.manifest("half", 1)
    registry.copy(manifest, ["weights.txt"], tmp_path / "copy")
    assert (tmp_path / "copy" / "weights.txt").read_text() == "0.5"


@pytest.mark.parametrize("spoil", [link, pipe])
def test_what_is_imported_holds_files_alone(
    registry: Registry, version: Path, card: Manifest, spoil: Callable[[Path], None]
) -> None:
    spoil(version / "weights.txt")
    with pytest.raises(BrokenVersion, match="a registry is made of files and folders alone"):
        import_version(registry, version)
    assert registry.versions("half") == (1,)
