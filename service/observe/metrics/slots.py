"""Slots: each worker's place in the folder that all share.

    worker-0.json   what it counted, and those before it in this slot
    worker-0.lock   its pid; locked as long as it lives

A new worker takes the first slot that nobody holds and goes on from what is counted there. So
nothing is lost but a dead worker's last second, no counter ever falls, and a thousand restarts
leave as many files as there are workers. The kernel lets go of the lock of whoever dies.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from service.observe.metrics.tally import Tally


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
        for path in folder.glob("worker-*.lock"):
            lock = _open(path)
            if not _free(lock):
                found[int(path.stem.partition("-")[2])] = int(os.read(lock, 20))
            os.close(lock)
    return dict(sorted(found.items()))


def tallies(folder: Path) -> Iterator[Tally]:
    """What each slot has counted, as of its last copy."""
    for path in sorted(folder.glob("worker-*.json")):
        yield Tally.read(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While slots are taken or looked at, nobody else does either."""
    lock = _open(folder / "slots.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock_file(folder: Path, number: int) -> Path:
    return folder / f"worker-{number}.lock"


def _free(lock: int) -> bool:
    """Whether nobody held it; then this process does, until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
