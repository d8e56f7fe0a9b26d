"""Threads that answer what would hold up the event loop, one exchange at a time each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import TYPE_CHECKING

from service.exchange import Application, Exchange

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

Answer = Callable[[Exchange], None]

BASE = 1024  # what a request costs beside its body, in bytes of one
LATELY = 0.2  # what the last one counts for, in what a byte takes


@dataclass(slots=True)
class Job:
    """An exchange to answer."""

    exchange: Exchange
    wanted: Callable[[float], bool]  # after so many seconds: asked in the thread
    done: Callable[[], None]  # called in the loop
    began: float = field(default_factory=perf_counter)


class AnsweringThread:
    """One thread and its queue, which knows how long another would wait.

    All but `_run` is for the event loop's thread, and so takes no lock.
    """

    def __init__(
        self, name: str, application: Application, answer: Answer, loop: "AbstractEventLoop"
    ) -> None:
        self._application = application
        self._answer = answer
        self._loop = loop
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._bytes = 0  # of all that is here
        self._seconds = 0.0  # a byte takes, lately
        Thread(target=self._run, name=name, daemon=True).start()

    @property
    def wait(self) -> float:
        """The seconds that another exchange would wait, as it looks."""
        return self._bytes * self._seconds

    def put(self, job: Job) -> None:
        """Answer it when its turn comes."""
        self._bytes += BASE + len(job.exchange.request.body)
        self._jobs.put(job)

    def _run(self) -> None:
        while True:
            job, seconds = self._jobs.get(), 0.0
            began = perf_counter()
            if job.wanted(began - job.began):
                try:
                    self._answer(job.exchange)
                except Exception as error:  # noqa: BLE001  whatever it is, the client gets an answer
                    self._application.refuse(job.exchange, error)
                seconds = perf_counter() - began
            self._loop.call_soon_threadsafe(self._done, job, seconds)

    def _done(self, job: Job, seconds: float) -> None:
        size = BASE + len(job.exchange.request.body)
        self._bytes -= size
        if seconds:
            share = LATELY if self._seconds else 1.0
            self._seconds += share * (seconds / size - self._seconds)
        job.done()
