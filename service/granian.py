"""The same app on Granian, a server written in Rust: for those who need every microsecond."""

from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import Semaphore
from multiprocessing.synchronize import Semaphore as Once

from granian.constants import Interfaces, SSLProtocols
from granian.log import LogLevels
from granian.server import Server

from service.config import Settings

CONNECTIONS = 1024  # a worker handles at once; more wait in the kernel's backlog


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; the models load in each worker, after the fork."""
    server = Server(
        "service.wsgi:app",
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
    )
    server.serve(target_loader=partial(_load, Semaphore(1)), wrap_loader=False)


def _load(first: Once) -> Callable[..., Iterable[bytes]]:
    """The app, in a worker; whichever worker is the first prints the banner."""
    from service import wsgi  # noqa: PLC0415  only a worker loads the models
    from service.banner import banner  # noqa: PLC0415

    if first.acquire(block=False):
        print(banner(wsgi.settings, wsgi.host), flush=True)
    return wsgi.app
