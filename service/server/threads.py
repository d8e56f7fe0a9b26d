"""Threads that do what would hold up the event loop, one thing at a time each."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from service.logs.survivor import Survivor

LATELY = 0.2  # what the last thing counts for, in how long one takes

Do = Callable[[float], bool]  # after so many seconds of waiting; gives whether it took its time
Done = Callable[[], None]


class PacedThread:
    """One thread and its queue, which knows how long another thing would wait.

    All but `_run` is for the event loop's thread, and so takes no lock.
    """

    def __init__(self, name: str, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._survivor = Survivor(name)
        self._jobs: SimpleQueue[tuple[int, float, Do, Done]] = SimpleQueue()
        self._size = 0  # of all that is here
        self._pace = 0.0  # seconds that one of its size takes, lately
        Thread(target=self._run, name=name, daemon=True).start()

    @property
    def wait(self) -> float:
        """The seconds that another thing would wait, as it looks."""
        return self._size * self._pace

    def put(self, size: int, do: Do, done: Done) -> None:
        """Do it when its turn comes, and call `done` in the loop, whatever it raised."""
        self._size += size
        self._jobs.put((size, perf_counter(), do, done))

    def _run(self) -> None:
        while True:
            size, put, do, done = self._jobs.get()
            began = perf_counter()
            took_time = self._survivor.run(do, began - put)
            seconds = perf_counter() - began if took_time else 0.0
            self._loop.call_soon_threadsafe(self._finish, size, seconds, done)

    def _finish(self, size: int, seconds: float, done: Done) -> None:
        self._size -= size
        if seconds:
            share = LATELY if self._pace else 1.0
            self._pace += share * (seconds / size - self._pace)
        done()
