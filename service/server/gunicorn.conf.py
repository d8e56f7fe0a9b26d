"""gunicorn's configuration, from Settings."""

import gc
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from service.logs import catalogue, output
from service.server.listener import Shares
from service.server.signals import Signals
from service.serving.memory import share_heap
from service.settings import Settings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

    from service.server.worker import Worker

log = logging.getLogger("service")
settings = Settings()
signals = Signals()
shares = Shares(settings.workers)
share_heap()  # the workers inherit it

bind = [settings.address]
wsgi_app = "service.server.wsgi:app"
worker_class = "service.server.worker.Worker"
workers = settings.workers
graceful_timeout = settings.graceful_seconds
loglevel = settings.log_level
logconfig_dict = output.configuration(settings)
# The heartbeat is a file; on a disk that stalls, gunicorn would kill a healthy worker.
_memory = Path("/dev/shm")  # noqa: S108  gunicorn makes its own unguessable names there
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
# It wants a writable home, which a container does not have.
control_socket_disable = True
# No preload_app: a SavedModel that is loaded before the fork hangs in the child.
# No max_requests: nothing leaks, and a worker that goes takes its connections with it.


def when_ready(server: "Arbiter") -> None:
    """SIGHUP lets every worker look at the registry now, SIGTERM lets them leave first.

    gunicorn's own reload would replace the workers, and a kept connection that is closed
    between two requests loses the second.
    """

    def leave() -> None:
        if signals.leave(settings.drain_seconds):
            # gunicorn ends its stop by the time of day, which somebody may set back meanwhile.
            signal.signal(signal.SIGALRM, lambda *_: server.kill_workers(signal.SIGKILL))
            signal.setitimer(signal.ITIMER_REAL, settings.graceful_seconds)
            raise StopIteration
        catalogue.tell(log, catalogue.DRAINING, seconds=settings.drain_seconds)

    listening = {"url": settings.url, "workers": settings.workers}
    catalogue.tell(log, catalogue.LISTENING, **listening)
    server.handle_hup = lambda: signals.look(server.WORKERS)  # type: ignore[method-assign]
    server.handle_term = leave  # type: ignore[method-assign]
    gc.collect()
    gc.freeze()  # so that no collection in a worker writes to what it shares with the others


def pre_fork(server: "Arbiter", worker: "Worker") -> None:
    """Give a worker its place among the others."""
    worker.shares = shares
    worker.place = shares.enter({getattr(other, "place", 0) for other in server.WORKERS.values()})


def post_worker_init(worker: "Worker") -> None:
    """Follow the signals, and tell what is served when the first worker can answer."""
    from service.observe.banner import announce  # noqa: PLC0415
    from service.server import wsgi  # noqa: PLC0415  only a worker loads the models

    worker.leaving = wsgi.host.leaving = signals.leaving
    signals.on_look(wsgi.host.look)
    catalogue.tell(log, catalogue.WORKER_STARTED, worker=worker.pid)
    if worker.age == 1:
        announce(wsgi.settings, wsgi.host)


def child_exit(server: "Arbiter", worker: "Worker") -> None:
    """Tell of a worker that ended while nobody had told it to; gunicorn says by what signal."""
    shares.leave(worker.place)
    if server.LISTENERS and not signals.leaving():  # it has none any more when it is stopping
        catalogue.tell(log, catalogue.WORKER_LOST, worker=worker.pid)


def on_exit(_: "Arbiter") -> None:
    """Tell that it is over."""
    catalogue.tell(log, catalogue.STOPPED)
