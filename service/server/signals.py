"""What gunicorn's main process tells its workers: to look at the registry, and that all leave.

The one is a signal, SIGURG, which every thread blocks from before the fork on, and which one
thread of each worker waits for: it is kept until that thread has it. (A handler runs in the main
thread only, and never does when the signal comes right before that thread begins to wait.) The
other is a byte in shared memory, which a worker that comes late reads too.
"""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from ctypes import c_bool
from multiprocessing.sharedctypes import RawValue

from service.logs.survivor import Survivor


class Signals:
    """Made in the main process before it forks; given there, followed in the workers."""

    def __init__(self) -> None:
        self._leaving = RawValue(c_bool, False)  # nothing but True is ever written: no lock
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGURG})  # here, so that all inherit it

    def leaving(self) -> bool:
        """Whether the service was told to stop."""
        return self._leaving.value

    def look(self, workers: Iterable[int]) -> None:
        """Tell the workers, by their process ids, to look at the registry now."""
        for pid in tuple(workers):
            with suppress(ProcessLookupError):  # it has just died; its successor looks anyway
                os.kill(pid, signal.SIGURG)

    def leave(self, seconds: float) -> bool:
        """Let the workers say that they leave; gives whether to stop now.

        Else this process gets another SIGTERM so many seconds later, and whoever is told a
        second time stops. Its main loop goes on meanwhile and replaces a worker that dies.
        """
        told_before = self.leaving()
        self._leaving.value = True
        if told_before or not seconds:
            return True
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return False

    def on_look(self, look: Callable[[], None]) -> None:
        """Call `look` in this worker, in a thread of its own, whenever it is told to."""
        Survivor("await-signals").follow(look, lambda: signal.sigwait({signal.SIGURG}))
