"""Slots: each worker's place in the folder that all share.

    worker-0.json   what it counted, and those before it in this slot
    worker-0.lock   its pid; locked as long as it lives

A new worker takes the first slot that nobody holds and goes on from what is counted there. So
nothing is lost but a dead worker's last second, no counter ever falls, and a thousand restarts
leave as many files as there are workers. The kernel lets go of the lock of whoever dies.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

NAME = re.compile(r"worker-([0-9]{1,6})\.(?:json|lock)")
PATIENCE = 2.0  # seconds: whoever holds the folder needs some thousandths


class Slot:
    """The slot that this process holds until it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the first free slot; raises OSError when the folder cannot be written to."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            for self.number in count():
                self._lock = _open(_lock_file(folder, self.number))
                if _free(self._lock):
                    break
                os.close(self._lock)
            os.ftruncate(self._lock, 0)
            os.write(self._lock, str(os.getpid()).encode())

    @property
    def file(self) -> Path:
        """Where its tally is."""
        return self._folder / f"worker-{self.number}.json"

    def close(self) -> None:
        """Leave the slot to the next worker."""
        os.close(self._lock)


def living(folder: Path) -> dict[int, int]:
    """The slots that are held, and the pids of who holds them."""
    found = {}
    with _alone(folder):
        for number, path in _named(folder, "lock"):
            with suppress(OSError, ValueError):  # that is no lock of ours
                lock = _open(path)
                try:
                    if not _free(lock):
                        found[number] = int(os.read(lock, 20))
                finally:
                    os.close(lock)
    return found


def tallies(folder: Path) -> list[Path]:
    """The files of all slots: what each has counted, as of its last copy."""
    return [path for _, path in _named(folder, "json")]


def _named(folder: Path, kind: str) -> list[tuple[int, Path]]:
    """The files of this kind by their slots; what else lies there is passed over."""
    paths = folder.glob(f"worker-*.{kind}")
    return sorted((int(found[1]), path) for path in paths if (found := NAME.fullmatch(path.name)))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While slots are taken or looked at, nobody else does either; raises TimeoutError."""
    lock = _open(folder / "slots.lock")
    try:
        until = time.monotonic() + PATIENCE
        while not _free(lock):
            if time.monotonic() > until:
                raise TimeoutError(f"{folder} is held by another for {PATIENCE:g} s.")
            time.sleep(0.005)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    """Open what nobody else made a link, and without waiting for who reads a pipe."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)


def _lock_file(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.lock"


def _free(lock: int) -> bool:
    """Whether nobody held it; then this process does, until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
