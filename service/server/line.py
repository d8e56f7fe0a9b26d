"""The line before the event loop, for what it answers itself and cannot answer at once."""

import math
from asyncio import AbstractEventLoop
from collections import deque
from time import perf_counter

from service.logs.survivor import Survivor
from service.server.threads import LATELY, Do, Done

SLICE = 0.01  # seconds of answering until the loop looks again at what has come


class Line:
    """Who waits for the loop, in order; asked as a PacedThread is.

    The kernel does not tell when a request came. So the loop answers for a slice of time, then
    looks who has come meanwhile, and lets those wait here: how long is known to within a slice.
    """

    def __init__(self, loop: AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most  # that may wait
        self._jobs: deque[tuple[float, Do, Done]] = deque()
        self._survivor = Survivor("line")
        self._pace = 0.0  # seconds from one to the next, lately, with what the loop does between
        self._since = 0.0  # the last slice, or who came to an empty line
        self._until = 0.0  # the loop may answer at once ...
        self._last = 0.0  # ... as it did then

    def is_free(self) -> bool:
        """Whether the loop may answer at once: nobody waits, and its slice is not over."""
        now = perf_counter()
        if self._last < now - SLICE:  # it has rested since
            self._until = now + SLICE
        self._last = now
        return not self._jobs and now < self._until

    @property
    def wait(self) -> float:
        """The seconds that another would wait, as it looks."""
        waiting = len(self._jobs)
        return waiting * self._pace if waiting < self._most else math.inf

    def put(self, _: int, do: Do, done: Done) -> None:
        """Do it when its turn comes, then `done`."""
        now = perf_counter()
        if not self._jobs:
            self._since = now
            self._loop.call_soon(self._next)
        self._jobs.append((now, do, done))

    def _next(self) -> None:
        before, now = len(self._jobs), perf_counter()
        end = now + SLICE
        while self._jobs and now < end:
            came, do, done = self._jobs.popleft()
            self._survivor.run(do, now - came)
            done()
            now = perf_counter()
        if self._jobs:
            self._loop.call_soon(self._next)
        seconds = (now - self._since) / max(before - len(self._jobs), 1)
        self._pace += LATELY * (seconds - self._pace)
        self._since, self._until = now, now + SLICE
