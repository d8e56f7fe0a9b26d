"""One heap for all threads of a worker, instead of glibc's one for each."""

import os
from contextlib import suppress
from ctypes import CDLL

ARENAS = -8  # M_ARENA_MAX in glibc's malloc.h


def share() -> None:
    """Keep glibc from giving later threads heaps of their own (mallopt(3)).

    Each would keep the most that it ever held, and hardly two threads allocate at a time, since
    they hold Python's lock. What it saves and costs is in docs/performance.md. The environment's
    MALLOC_ARENA_MAX goes first; another C library is left as it is.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with suppress(AttributeError):
            CDLL(None).mallopt(ARENAS, 1)
