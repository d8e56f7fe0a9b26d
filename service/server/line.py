"""The line before the event loop, for what it answers itself and cannot answer at once."""

import math
from asyncio import AbstractEventLoop
from collections import deque
from time import perf_counter

from service.logs.survivor import Survivor
from service.server.threads import Do, Done

SLICE = 0.01  # seconds of answering until the loop looks again at what has come
GROWTH = 1.25  # times that the first has waited: so that hardly any waits, to be refused in the end


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
        """The seconds that another would wait: as the first of them has, and somewhat longer."""
        if len(self._jobs) >= self._most:
            return math.inf
        return (perf_counter() - self._jobs[0][0]) * GROWTH if self._jobs else 0.0

    def put(self, _: int, do: Do, done: Done) -> None:
        """Do it when its turn comes, then `done`."""
        if not self._jobs:
            self._loop.call_soon(self._next)
        self._jobs.append((perf_counter(), do, done))

    def _next(self) -> None:
        now = perf_counter()
        end = now + SLICE
        while self._jobs and now < end:
            came, do, done = self._jobs.popleft()
            self._survivor.run(do, now - came)
            done()
            now = perf_counter()
        if self._jobs:
            self._loop.call_soon(self._next)
        self._until = now + SLICE
