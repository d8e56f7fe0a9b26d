"""The shelf on disk: which models, versions and labels there are.

    models/
      NAME/
        labels.json     {"stable": 2, "canary": {"version": 3, "percent": 5}}
        history.jsonl   one line for each move of a label
        1/manifest.json ...
        2/manifest.json ...

A folder is a version when its name is a positive integer and it holds a manifest.json;
everything else (`.staging-*`, Python files) is passed over. With no labels.json,
`stable` means the latest version. Nothing is cached: every call reads the disk.
"""

import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from models import files, labels
from models.errors import BrokenVersion, NotInRegistry, RegistryError, Untrusted
from models.labels import NAME, STABLE, Place
from models.manifest import MANIFEST, SIGNATURE, Manifest

# Also from here, where most look for them.
__all__ = ["NAME", "BrokenVersion", "NotInRegistry", "Registry", "RegistryError", "Untrusted"]

LABELS = "labels.json"
HISTORY = "history.jsonl"
HISTORY_BYTES = 256 * 1024  # of which the newest are kept: some 2,000 moves
LOCK = ".lock"
SHELF = Path(__file__).parent  # the registry that ships
VERSION = re.compile(r"[1-9][0-9]{0,8}")
LAST_VERSION = 999_999_999  # that there can be

Stamp = tuple[object, ...]  # compared, never looked into
# Takes the path of a version's signature and the SHA-256 of its files; raises Untrusted.
CheckSignature = Callable[[Path, Mapping[str, str]], None]
GONE = (FileNotFoundError, NotADirectoryError)


def usual() -> Path:
    """What every command takes without --registry: $REGISTRY as in the images, else what ships."""
    return Path(os.environ.get("REGISTRY") or SHELF)


class Registry:
    """Reads the models below `root` and moves their labels.

    With `check_signature` only what passes it is verified; `models.signing.verifier` makes one.
    """

    def __init__(self, root: Path = SHELF, check_signature: CheckSignature | None = None) -> None:
        self.root = root
        self._check_signature = check_signature

    def models(self) -> tuple[str, ...]:
        """The models with at least one version, by name."""
        if not self.root.is_dir():
            raise RegistryError(f"The registry folder {self.root} does not exist.")
        names = sorted(path.name for path in self.root.iterdir() if NAME.fullmatch(path.name))
        return tuple(name for name in names if self.versions(name))

    def versions(self, model: str) -> tuple[int, ...]:
        """The published versions of `model`, oldest first; none for an unknown model."""
        folder = self.root / checked(model)
        if not folder.is_dir():
            return ()
        numbers = [int(path.name) for path in folder.iterdir() if VERSION.fullmatch(path.name)]
        return tuple(n for n in sorted(numbers) if _stat(folder / str(n) / MANIFEST))

    def stamps(self) -> dict[str, Stamp]:
        """For each model what changes when its labels move or a version comes, goes or is replaced.

        It costs a small read a model and a stat a version; nothing is parsed or verified.
        Labels are compared by content, versions by inode, size and times, and never by which is
        newer: a clock that was set back hides nothing.
        """
        if not self.root.is_dir():
            raise RegistryError(f"The registry folder {self.root} does not exist.")
        found = {name: self._stamp(self.root / name) for name in _listed(self.root, NAME)}
        return {name: stamp for name, stamp in found.items() if stamp}

    def _stamp(self, folder: Path) -> Stamp:
        """Empty when the folder holds no version; not when it cannot be told what it holds."""
        try:
            names = _listed(folder, VERSION)
        except GONE:
            return ()
        except OSError as error:
            return (error.errno,)
        try:
            written: object = files.read(folder / LABELS, labels.LARGEST)
        except (OSError, BrokenVersion) as error:
            written = str(error)
        stats = [(name, at) for name in names if (at := _stat(folder / name / MANIFEST))]
        return (written, *stats) if stats else ()

    def version_stamp(self, model: str, version: int) -> Stamp:
        """What changes when any file of the version does: a stat a file, of no more than it may."""
        walked = files.walked(self.root / checked(model) / str(version))
        stamps: list[tuple[str, tuple[int, ...]]] = []
        with suppress(OSError):  # what cannot be looked at now is another stamp when it can
            stamps.extend((str(path), _stat(path)) for path in islice(walked, files.MOST_ENTRIES))
        return tuple(sorted(stamps))

    def latest(self, model: str) -> int:
        """The highest version; raises NotInRegistry when there is none."""
        versions = self.versions(model)
        if not versions:
            known = ", ".join(self.models()) or "none"
            raise NotInRegistry(f"There is no model '{model}' in {self.root}; it has: {known}.")
        return versions[-1]

    def labels(self, model: str) -> dict[str, int]:
        """The version of each label; without a labels.json, `stable` is the latest version."""
        return {label: at.version for label, at in self.placed(model).items()}

    def placed(self, model: str) -> dict[str, Place]:
        """The version and the share of each label, as `labels` reads them."""
        latest = self.latest(model)
        path = self.root / model / LABELS
        try:
            return labels.parse(files.read(path, labels.LARGEST))
        except FileNotFoundError:
            return {STABLE: Place(latest)}
        except BrokenVersion as error:
            why = str(error)
        except ValueError as error:
            why = f"{path}: {error}"
        raise RegistryError(f"{why} Remove it, and set the labels with 'python -m models label'.")

    def labelled(self, model: str, label: str) -> int:
        """The version that `label` names; raises NotInRegistry when there is no such label."""
        labels = self.labels(model)
        if label not in labels:
            raise NotInRegistry(
                f"Model '{model}' has no label '{label}'; it has: {', '.join(labels)}."
            )
        return labels[label]

    def folder(self, model: str, version: int) -> Path:
        """The folder of a published version; raises NotInRegistry when there is none."""
        latest = self.latest(model)
        if version not in self.versions(model):
            known = ", ".join(map(str, self.versions(model)))
            raise NotInRegistry(
                f"Model '{model}' has no version {version}; it has: {known} (latest {latest})."
            )
        return self.root / model / str(version)

    def manifest(self, model: str, version: int) -> Manifest:
        """The manifest of a version; raises BrokenVersion when it is unreadable or another's."""
        return self.described(model, version)[0]

    def verify(self, model: str, version: int) -> Manifest:
        """Check the signature, if one is asked for, and every file against the manifest.

        Raises BrokenVersion naming the first wrong file, and Untrusted.
        """
        folder = self.folder(model, version)
        manifest, digest = self.described(model, version)
        if self._check_signature:
            self._check_signature(folder / SIGNATURE, {MANIFEST: digest, **manifest.files})
        files.verify(folder, manifest)
        return manifest

    def read(self, manifest: Manifest, name: str, limit: int = files.LARGEST) -> bytes:
        """The bytes of one file of a version, checked: what is returned is what was digested.

        Raises BrokenVersion, also for more than `limit` bytes.
        """
        path = self.root / manifest.model / str(manifest.version) / name
        try:
            return files.read_checked(path, manifest.files[name], limit)
        except OSError as error:
            raise BrokenVersion(f"{path} cannot be read: {error.strerror}.") from error

    def copy(self, manifest: Manifest, names: Iterable[str], target: Path) -> None:
        """Copy files of a version into `target`, checked: what arrives is what was digested."""
        folder = self.root / manifest.model / str(manifest.version)
        files.copy_checked(folder, {name: manifest.files[name] for name in names}, target)

    def described(self, model: str, version: int) -> tuple[Manifest, str]:
        """The manifest of a version and its SHA-256, if it is of this version."""
        folder = self.folder(model, version)
        manifest, digest = files.read_manifest(folder)
        if (manifest.model, manifest.version) != (model, version):
            raise BrokenVersion(
                f"{folder / MANIFEST} describes another version than {model} {version}: was the "
                "folder copied or renamed? "
                "Publish it with 'python -m models import'."
            )
        return manifest, digest

    def set_label(self, model: str, label: str, version: int, percent: float | None = None) -> None:
        """Point `label` at `version` by one atomic rename, and note it in the history.

        With `percent`, the label takes that share of the requests that would be answered by
        `stable`; without, it takes none, whatever it took before.
        """
        if not NAME.fullmatch(label):
            raise RegistryError(f"'{label}' is no label: expected lower-case letters and digits.")
        with self.locked(model):
            self.folder(model, version)
            self.move_label(model, label, version, percent=percent)

    def remove_label(self, model: str, label: str) -> None:
        """Take `label` away, and its share with it; raises RegistryError for `stable`."""
        if label == STABLE:
            raise RegistryError(
                f"'{STABLE}' cannot be removed, it answers what asks for no version; move it "
                f"with 'python -m models label {model} {STABLE} VERSION'."
            )
        with self.locked(model):
            self.labelled(model, label)
            self._write_labels(model, label, None)

    def rollback(self, model: str, label: str = STABLE) -> int:
        """Undo the move that put `label` where it is; returns the version it names now.

        Raises NotInRegistry when the history holds no such move, or its version is gone.
        """
        with self.locked(model):
            current = self.labelled(model, label)
            moves = [m for m in self._history(model) if m["label"] == label and not m["undo"]]
            before = next((m["before"] for m in reversed(moves) if m["now"] == current), None)
            if before is None:
                raise NotInRegistry(
                    f"'{label}' of {model} has been at version {current} from the start; choose "
                    f"a version with 'python -m models label {model} {label} VERSION'."
                )
            self.folder(model, before)
            percent = self.placed(model)[label].percent
            self.move_label(model, label, before, percent=percent, undo=True)
        return before

    def move_label(
        self,
        model: str,
        label: str,
        version: int,
        *,
        percent: float | None = None,
        undo: bool = False,
    ) -> None:
        """Move a label while `locked`."""
        self._write_labels(model, label, Place(version, percent), undo=undo)

    def _write_labels(
        self, model: str, label: str, place: Place | None, *, undo: bool = False
    ) -> None:
        """Put a label somewhere or nowhere. History first: a crash leaves no untold move."""
        path = self.root / model / LABELS
        places = self.placed(model)  # what `stable` means without a labels.json is written too
        before = places.pop(label).version if label in places else None
        now = place.version if place else None
        if place:
            places[label] = place
        try:
            written = labels.render(places)
        except ValueError as error:
            raise RegistryError(str(error)) from error
        if before != now:
            move = Move(time=_now(), label=label, before=before, now=now, undo=undo)
            history = self.root / model / HISTORY
            lines = [*files.last_lines(history, HISTORY_BYTES), json.dumps(move).encode()]
            write_durably(history, b"".join(line + b"\n" for line in lines))
        write_durably(path, written.encode())

    @contextmanager
    def locked(self, model: str) -> Iterator[None]:
        """Hold the model's write lock; the operating system frees it when its holder dies.

        Whatever a write depends on is read meanwhile. Raises NotInRegistry when there is no folder
        for the model.
        """
        path = self.root / checked(model) / LOCK
        try:
            lock = files.opened(path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            self.latest(model)
            raise
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _history(self, model: str) -> list["Move"]:
        lines = files.last_lines(self.root / model / HISTORY, HISTORY_BYTES)
        return [move for line in lines if (move := _parsed(line)) is not None]


class Move(TypedDict):
    """One line of history.jsonl: `label` went from `before` to `now` (None: nowhere)."""

    time: str
    label: str
    before: int | None
    now: int | None
    undo: bool


MOVE = TypeAdapter(Move)


def checked(model: str) -> str:
    """`model` itself when it can be a folder of the registry; raises NotInRegistry if not."""
    if not NAME.fullmatch(model):
        raise NotInRegistry(
            f"'{model}' is no model name: expected lower-case letters, digits, '-' and '_', "
            "beginning with a letter."
        )
    return model


def write_durably(path: Path, content: bytes, draft: Path | None = None) -> None:
    """Replace `path` by one rename: a reader sees the old bytes or the new, also after a crash."""
    draft = draft or path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)  # left by a crash, or a link
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    fsync(path.parent)


def fsync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _listed(folder: Path, names: re.Pattern[str]) -> list[str]:
    listed = os.listdir(folder)  # noqa: PTH208  looked at every second: a Path a name is slow
    return sorted(name for name in listed if names.fullmatch(name))


def _stat(path: Path) -> tuple[int, ...]:
    """What changes with a file: empty when there is none, not when it cannot be looked at."""
    try:
        found = path.stat()
    except GONE:
        return ()
    except OSError as error:
        return (error.errno or -1,)
    if not stat.S_ISREG(found.st_mode):
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parsed(line: bytes) -> Move | None:
    """A history line, or None for one that a crash cut short."""
    try:
        return MOVE.validate_json(line)
    except ValidationError:
        return None
