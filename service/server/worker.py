"""gunicorn's worker on an event loop of uvloop: signals, heartbeat, and its end."""

import asyncio
import os
import signal
import sys
from asyncio import Event
from collections.abc import Callable
from contextlib import suppress

import uvloop
from gunicorn.workers import base

import service.app  # noqa: F401  imported before the fork, its memory is shared by all workers
from service.server.listener import Listener, Shares
from service.settings import Settings

BEAT = 1.0  # seconds from one sign of life to the next
# Seconds until a thread that computes lets the loop go on, where that waits: the default is 5 ms.
SWITCH = 0.0002


class Worker(base.Worker):
    """Serves the application in one process."""

    leaving: Callable[[], bool]  # gunicorn.conf.py sets these
    shares: Shares
    place: int

    def run(self) -> None:
        """Serve until it is told to stop, and until all are answered then."""
        sys.setswitchinterval(SWITCH)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        settings, stop = Settings(), Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        for number in (signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._end, stop)
        from service.server.wsgi import application  # noqa: PLC0415  models load after the fork

        [listening] = self.sockets
        listener = Listener(application, settings, listening, self.shares, self.leaving)
        listener.listen()
        beating = loop.create_task(self._beat(stop))
        if self.alive:  # else it was told while it loaded
            await stop.wait()
        if not self._at_once:
            with suppress(TimeoutError):
                await asyncio.wait_for(listener.stop(), settings.graceful_seconds)
        beating.cancel()

    _at_once = False

    def _end(self, stop: Event) -> None:
        self._at_once = True
        stop.set()

    async def _beat(self, stop: Event) -> None:
        """Show that the loop lives; leave when the main process is gone."""
        while True:
            self.notify()
            if os.getppid() != self.ppid:
                stop.set()
            await asyncio.sleep(BEAT)
