"""glibc's heap in a worker: one for all its threads, and no larger than it needs to be."""

import os
from contextlib import suppress
from ctypes import CDLL

ARENAS = -8  # M_ARENA_MAX in glibc's malloc.h
C = CDLL(None)


def share() -> None:
    """Keep glibc from giving later threads heaps of their own (mallopt(3)).

    Each would keep the most that it ever held, and hardly two threads allocate at a time, since
    they hold Python's lock. What it saves and costs is in docs/performance.md. The environment's
    MALLOC_ARENA_MAX goes first; another C library is left as it is.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):
            C.mallopt(ARENAS, 1)


def trim() -> None:
    """Give back to the system what is free (malloc_trim(3)): what a large body or a model held.

    By itself glibc gives back only what lies at the heap's end. Takes some tenths of a ms.
    """
    with suppress(AttributeError):
        C.malloc_trim(0)
