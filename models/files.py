"""The registry's files, read so that what was checked is what is used, whatever lies there.

Whoever can write into a registry could put a link out of it there, a pipe that never ends, or a
file that fills the memory. So no link is followed, nothing is waited for, and nothing is read
beyond a bound.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from models.errors import BrokenVersion
from models.manifest import MANIFEST, MOST_BYTES, MOST_FIELDS, SIGNATURE, Manifest, parse, sha256

LARGEST = 2 * 1024**3  # bytes of a version: a flatbuffer or a protobuf cannot have more
LARGEST_TEXT = 16 * 1024**2  # bytes of a signature, or what is sent as it is
MOST_ENTRIES = 2 * MOST_FIELDS  # files and folders of a version: its manifest names no more
CHUNK = 1024**2
BESIDE = {MANIFEST, SIGNATURE}  # these lie in a version and are not in its manifest


def names(folder: Path) -> list[str]:
    """Every file below `folder` by its POSIX relative path, sorted.

    Raises BrokenVersion for anything that is neither a file nor a folder, as a link or a pipe.
    """
    found = []
    for number, path in enumerate(walked(folder), 1):
        if number > MOST_ENTRIES:
            raise BrokenVersion(f"{folder} has more than {MOST_ENTRIES:,} files and folders.")
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            found.append(path.relative_to(folder).as_posix())
        elif not stat.S_ISDIR(mode):
            raise BrokenVersion(_no_file(path, mode))
    return sorted(found)


def walked(folder: Path) -> Iterator[Path]:
    """What lies below `folder`; no more of it is looked at than is taken. Raises OSError."""
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                yield Path(entry.path)


def checksums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that a manifest lists, by POSIX relative path."""
    return {name: digest(folder / name) for name in names(folder) if name not in BESIDE}


def verify(folder: Path, manifest: Manifest) -> None:
    """Hold the files below `folder` against the manifest; raises BrokenVersion."""
    found = set(names(folder)) - BESIDE
    for name in sorted(manifest.files.keys() | found):
        if name not in found:
            raise BrokenVersion(f"{shown(folder / name)} is missing.")
        if name not in manifest.files:
            raise BrokenVersion(f"{shown(folder / name)} is not in the manifest.")
    if sum((folder / name).lstat().st_size for name in manifest.files) > LARGEST:
        raise BrokenVersion(f"{folder} has more bytes than the {LARGEST:,} that it may have.")
    for name, expected in manifest.files.items():
        _compare(folder / name, digest(folder / name), expected)


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """The manifest in `folder` and the SHA-256 of its bytes; raises BrokenVersion."""
    path = folder / MANIFEST
    try:
        content = read(path, MOST_BYTES)
        return parse(content), sha256(content)
    except OSError as error:
        raise BrokenVersion(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise BrokenVersion(f"{path} cannot be read as a manifest: {error}.") from error


def read(path: Path, limit: int = LARGEST) -> bytes:
    """The bytes of a file; raises BrokenVersion for what is no file or has more than `limit`."""
    return b"".join(_pieces(path, limit))


def read_checked(path: Path, expected: str, limit: int = LARGEST) -> bytes:
    """The bytes of a file with this SHA-256: what is returned is what was digested."""
    content = read(path, limit)
    _compare(path, sha256(content), expected)
    return content


def last_lines(path: Path, limit: int) -> list[bytes]:
    """The newest lines of a file, of at most `limit` bytes together; none without a file."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - limit, 0))
            lines = file.read(limit).splitlines()
    except FileNotFoundError:
        return []
    return lines[1:] if size > limit else lines  # the first was cut


def copy_checked(folder: Path, files: Mapping[str, str], target: Path) -> None:
    """Copy files with these SHA-256 from `folder` to `target`: what arrives is what was digested.

    Raises BrokenVersion at the first that differs; the target is then of no use.
    """
    for name, expected in files.items():
        copy, hasher = target / name, hashlib.sha256()
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("xb") as file:
            for piece in _pieces(folder / name):
                hasher.update(piece)
                file.write(piece)
        _compare(folder / name, hasher.hexdigest(), expected)


def digest(path: Path) -> str:
    """The hexadecimal SHA-256 of a file, read piece by piece."""
    hasher = hashlib.sha256()
    for piece in _pieces(path):
        hasher.update(piece)
    return hasher.hexdigest()


def shown(path: Path | str) -> str:
    """A path as text for a sentence: a file may be called anything, line breaks included."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _pieces(path: Path, limit: int = LARGEST) -> Iterator[bytes]:
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        read = 0
        while max(size, read) <= limit and (piece := file.read(CHUNK)):
            read += len(piece)  # a file can grow while it is read
            yield piece
    if max(size, read) > limit:
        raise BrokenVersion(f"{shown(path)} has more bytes than the {limit:,} that it may have.")


def opened(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """A file, open to be read or locked; what is there stays as it is.

    Raises BrokenVersion for what is no file: a link is not followed, a pipe not waited for.
    """
    try:
        safely = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags | safely, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise BrokenVersion(_no_file(path, path.lstat().st_mode)) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise BrokenVersion(_no_file(path, mode))
    return os.fdopen(descriptor, "rb")


def _compare(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise BrokenVersion(
            f"{shown(path)} is not the file that was published: "
            f"expected SHA-256 {expected}, found {found}."
        )


def _no_file(path: Path, mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    kinds |= {stat.S_IFDIR: "a folder"}
    kind = kinds.get(stat.S_IFMT(mode), "a device")
    return f"{shown(path)} is {kind}: a registry is made of files and folders alone."
