"""The same app on Granian, a server written in Rust: for those who need every microsecond."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import Semaphore, parent_process
from multiprocessing.synchronize import Semaphore as Once
from typing import Any

from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server import MPServer

from service import heap
from service.api.flask_app import App, Environ, StartResponse
from service.logs import catalogue, output
from service.orders import Orders
from service.settings import Settings

log = logging.getLogger("service")

CONNECTIONS = 1024  # a worker handles at once; more wait in the kernel's backlog


class Server(MPServer):
    """Granian, which on SIGHUP looks at the registry, and on SIGTERM lets its workers leave."""

    def __init__(self, orders: Orders, drain_seconds: float, **options: Any) -> None:
        super().__init__("service.server.wsgi:app", **options)
        self._orders = orders
        self._drain_seconds = drain_seconds

    def signal_handler_reload(self, *_: object) -> None:
        """Granian's own reload replaces the workers, and loses a connection kept by a client."""
        self._orders.look(worker.inner.pid for worker in self.wrks)

    def signal_handler_interrupt(self, number: int, *_: object) -> None:
        """SIGTERM stops after the time to leave, SIGINT at once."""
        if number == signal.SIGINT or self._orders.leave(self._drain_seconds):
            super().signal_handler_interrupt()  # type: ignore[no-untyped-call]
        else:
            catalogue.tell(log, catalogue.DRAINING, seconds=self._drain_seconds)

    def _respawn_workers(self, workers: list[int], *arguments: Any, **options: Any) -> None:
        """Granian ends when a new worker ends within 5.5 s; not when it was killed, here."""
        for i in workers:
            catalogue.tell(log, catalogue.WORKER_LOST, worker=self.wrks[i].inner.pid)
        killed = [i for i in workers if (self.wrks[i].inner.exitcode or 0) < 0]
        super()._respawn_workers(workers, *arguments, **options)
        for i in killed:
            del self.respawned_wrks[i]


class _Leaving:
    """The app, whose answers close their connections once the service leaves.

    PEP 3333 leaves this header to the server. gunicorn sees to it; Granian takes it from the app.
    """

    def __init__(self, app: App, leaving: Callable[[], bool]) -> None:
        self._app = app
        self._leaving = leaving

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not self._leaving():
            return self._app(environ, start_response)

        def closing(line: str, headers: list[tuple[str, str]], *exc_info: object) -> object:
            return start_response(line, [*headers, ("Connection", "close")], *exc_info)

        return self._app(environ, closing)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; the models load in each worker, after the fork."""
    heap.share()  # the workers inherit it
    orders = Orders()
    server = Server(
        orders,
        settings.drain_seconds,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        websockets=False,
        ssl_cert=settings.tls_certificate,
        ssl_key=settings.tls_key,
        ssl_protocol_min=SSLProtocols.tls12,  # as gunicorn does
        workers=settings.workers,
        blocking_threads=settings.threads,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,  # without it, one killed worker ends the service
        workers_kill_timeout=settings.graceful_seconds,
        log_level=LogLevels(settings.log_level),
        log_dictconfig=output.configuration(settings),
    )
    listening = {"url": settings.url, "workers": settings.workers, "server": "granian"}
    server.on_startup(partial(catalogue.tell, log, catalogue.LISTENING, **listening))
    server.serve(target_loader=partial(_load, orders, Semaphore(1)), wrap_loader=False)
    catalogue.tell(log, catalogue.STOPPED)


def _load(orders: Orders, first: Once) -> Callable[..., Iterable[bytes]]:
    """The app, in a worker; the first worker tells what is served."""
    for number in (signal.SIGTERM, signal.SIGINT):  # until Granian listens, it is simply ended:
        signal.signal(number, signal.SIG_DFL)  # the main process' own handlers came with the fork
    from service.server import wsgi  # noqa: PLC0415  only a worker loads the models
    from service.server.banner import announce  # noqa: PLC0415

    wsgi.host.leaving = orders.leaving
    orders.on_look(wsgi.host.look)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()
    catalogue.tell(log, catalogue.WORKER_STARTED, worker=os.getpid())
    if first.acquire(block=False):
        announce(wsgi.settings, wsgi.host)
    return _Leaving(wsgi.app, orders.leaving)


def _end_with_parent() -> None:
    """Stop when the main process was killed: else the workers would hold the port for ever."""
    if parent := parent_process():
        parent.join()
        while True:  # until it is heard
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
