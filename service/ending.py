"""What a worker still does when it ends, told by its server; not when it is killed."""

from collections.abc import Callable
from multiprocessing.util import Finalize


def at_end(do: Callable[[], object]) -> None:
    """Call `do` at the end of this process.

    Not by atexit: Granian's workers are processes of multiprocessing, which end without it.
    """
    Finalize(None, do, exitpriority=0)
