"""Threads that answer what would hold up the event loop, one exchange at a time each."""

from asyncio import AbstractEventLoop
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

from service.exchange import Application, Exchange

BASE = 1024  # what a request costs beside its body, in bytes of one
LATELY = 0.2  # what the last one counts for, in what a byte takes

IsWanted = Callable[[float], bool]  # after so many seconds
Job = tuple[Exchange, IsWanted, Callable[[], None], int, float]


class AnsweringThread:
    """One thread and its queue, which knows how long another would wait.

    All but `_run` is for the event loop's thread, and so takes no lock.
    """

    def __init__(
        self, application: Application, answer: Callable[[Exchange], None], loop: AbstractEventLoop
    ) -> None:
        self._refuse = application.refuse
        self._answer = answer
        self._loop = loop
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._size = 0  # of all that is here, in bytes
        self._pace = 0.0  # seconds that one takes, lately
        Thread(target=self._run, daemon=True).start()

    @property
    def wait(self) -> float:
        """The seconds that another exchange would wait, as it looks."""
        return self._size * self._pace

    def put(self, exchange: Exchange, is_wanted: IsWanted, done: Callable[[], None]) -> None:
        """Answer it when its turn comes, if it is wanted then, and call `done` in the loop."""
        size = BASE + len(exchange.request.body)
        self._size += size
        self._jobs.put((exchange, is_wanted, done, size, perf_counter()))

    def _run(self) -> None:
        while True:
            exchange, is_wanted, done, size, put = self._jobs.get()
            began, seconds = perf_counter(), 0.0
            if is_wanted(began - put):
                try:
                    self._answer(exchange)
                except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
                    self._refuse(exchange, error)
                seconds = perf_counter() - began
            self._loop.call_soon_threadsafe(self._done, size, seconds, done)

    def _done(self, size: int, seconds: float, done: Callable[[], None]) -> None:
        self._size -= size
        if seconds:
            share = LATELY if self._pace else 1.0
            self._pace += share * (seconds / size - self._pace)
        done()
