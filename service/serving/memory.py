"""glibc's heap in a worker: one for all its threads, and no larger than it needs to be."""

import os
from contextlib import suppress
from ctypes import CDLL

ARENAS, MMAP_THRESHOLD = -8, -3  # M_ARENA_MAX and M_MMAP_THRESHOLD in glibc's malloc.h
LARGE = 256 * 1024  # bytes
C = CDLL(None)


def share_heap() -> None:
    """Keep glibc from giving later threads heaps of their own, and from keeping what is large.

    Each would keep the most that it ever held, and hardly two threads allocate at a time, since
    they hold Python's lock. What it saves and costs is in docs/performance.md. A large block goes
    back to the system when it is free; by itself glibc would keep blocks of up to 32 MB once one as
    large was freed. The environment's MALLOC_ARENA_MAX goes first; another C library is left as it
    is. See mallopt(3).
    """
    with suppress(AttributeError):
        C.mallopt(MMAP_THRESHOLD, LARGE)
        if "MALLOC_ARENA_MAX" not in os.environ:
            C.mallopt(ARENAS, 1)


def trim_heap() -> None:
    """Give back to the system what is free (malloc_trim(3)): what a large body or a model held.

    By itself glibc gives back only what lies at the heap's end. Takes some tenths of a ms.
    """
    with suppress(AttributeError):
        C.malloc_trim(0)
