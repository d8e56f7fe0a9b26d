"""Publish a version so that no reader ever sees half of one.

    models/NAME/.staging-x7k2/       1. the files are written here
                                     2. the manifest is written last, everything is fsynced
    models/NAME/3/                   3. one rename gives the version its number

A crash before the rename leaves only a staging folder, which no reader looks at and a
later publish removes once it is old; a crash after it leaves a whole version that no
label names yet.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from models import files
from models.errors import RegistryError
from models.labels import STABLE
from models.manifest import MANIFEST, SIGNATURE, Manifest, parse, sha256
from models.registry import LABELS, Registry, checked, fsync, write_durably

# Takes a name and the SHA-256 of files by their names; gives the bytes of a signature.
Sign = Callable[[str, Mapping[str, str]], bytes]

STAGING = ".staging-"
STALE_SECONDS = 3600.0  # no publish takes an hour: an older staging folder was left by a crash


@contextmanager
def staging(registry: Registry, model: str) -> Iterator[Path]:
    """A fresh folder to write a version into; it is gone afterwards unless it was published.

    Raises RegistryError when the disk refuses anything: then nothing was published.
    """
    folder = registry.root / checked(model)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        draft = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
        try:
            draft.chmod(0o755)  # mkdtemp gives 0700; the service may run as another user
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise RegistryError(f"Nothing was published in {folder}: {_reason(error)}.") from error


def publish(
    registry: Registry,
    draft: Path,
    manifest: Manifest,
    *,
    promote: bool | Callable[[], bool],
    sign: Sign | None = None,
) -> int:
    """Turn `draft` into the next version of `manifest.model` and return its number.

    The manifest's `version` and `files` are set here. `promote` moves `stable` to the new
    version; else `stable` stays where it is (pinned, if it only meant "the latest" so far). What
    decides by the version that is `stable` is called, while nobody else can move it. The first
    version of a model is always `stable`: there is nothing else it could be.
    With `sign` the version has its signature before it has its number, so that a service which
    asks for one never meets it without.
    """
    model = manifest.model
    found = files.checksums(draft)
    with registry.locked(model):
        existing = registry.versions(model)
        version = existing[-1] + 1 if existing else 1
        promoted = not existing or (promote() if callable(promote) else promote)
        complete = manifest.model_copy(update={"version": version, "files": found})
        content = _checked_content(complete)
        (draft / MANIFEST).write_bytes(content)
        if sign:
            signed = sign(f"{model}/{version}", {MANIFEST: sha256(content), **found})
            (draft / SIGNATURE).write_bytes(signed)
        _fsync_tree(draft)
        if existing and not (registry.root / model / LABELS).exists():
            registry.move_label(model, STABLE, existing[-1])
        target = registry.root / model / str(version)
        draft.rename(target)  # refuses to replace a folder that is not empty
        try:
            fsync(target.parent)
            if promoted:
                registry.move_label(model, STABLE, version)
        except (OSError, RegistryError):  # a full disk, say: nobody was told of the version
            target.rename(draft)
            raise
    return version


def _checked_content(manifest: Manifest) -> bytes:
    """The bytes of a manifest that whoever reads it will take; raises RegistryError."""
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    try:
        parse(content)
    except ValueError as error:
        raise RegistryError(
            f"Nothing was published: its manifest would be wrong: {error}."
        ) from error
    return content


def _reason(error: OSError) -> str:
    """What the disk said, in few words; of a folder that was copied, of its first file."""
    if isinstance(error, shutil.Error):
        return str(error.args[0][0][2]).partition(":")[0]
    return error.strerror or str(error)


def import_version(
    registry: Registry, folder: Path, *, promote: bool = True, sign: Sign | None = None
) -> Manifest:
    """Publish a copy of a version's folder from elsewhere under the next free number.

    A signature stays behind: it holds for the number that the version had there. Raises
    BrokenVersion when the files are not what their own manifest says.
    """
    manifest, _ = files.read_manifest(folder)
    files.verify(folder, manifest)
    with staging(registry, manifest.model) as draft:
        files.copy_checked(folder, manifest.files, draft)
        version = publish(registry, draft, manifest, promote=promote, sign=sign)
    return manifest.model_copy(update={"version": version})


def sign_version(registry: Registry, model: str, version: int, sign: Sign) -> None:
    """Sign a version that lies in the registry; nothing is signed that is not as published.

    The signature is for the bytes that were verified, whatever has taken their place since.
    """
    with registry.locked(model):
        folder = registry.folder(model, version)
        manifest, digest = registry.described(model, version)
        files.verify(folder, manifest)
        signature = sign(f"{model}/{version}", {MANIFEST: digest, **manifest.files})
        draft = folder.parent / f"{STAGING}{version}-{SIGNATURE}"  # a version has no drafts in it
        with _writable(folder):
            write_durably(folder / SIGNATURE, signature, draft)


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """A folder that its owner set to read-only, writable for a moment."""
    mode = folder.stat().st_mode
    if not os.access(folder, os.W_OK):
        folder.chmod(mode | stat.S_IWUSR)
    try:
        yield
    finally:
        if folder.stat().st_mode != mode:
            folder.chmod(mode)


def prune(registry: Registry, model: str, keep: int) -> tuple[int, ...]:
    """Delete all but the newest `keep` (1 or more) of `model`; a labelled version always stays."""
    with registry.locked(model):
        kept = {*registry.versions(model)[-keep:], *registry.labels(model).values()}
        doomed = tuple(v for v in registry.versions(model) if v not in kept)
        for version in doomed:
            _delete(registry.folder(model, version))
    return doomed


def _delete(folder: Path) -> None:
    """Rename first, so that a reader sees a whole version or none."""
    grave = folder.with_name(f"{STAGING}deleted-{folder.name}-{os.getpid()}")
    folder.rename(grave)
    shutil.rmtree(grave)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"{STAGING}*"):
        with suppress(FileNotFoundError):  # another publisher does the same
            if time.time() - path.lstat().st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _fsync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        fsync(path)
    fsync(folder)
