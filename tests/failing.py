"""A worker of gunicorn's whose refusals fail, as an exporter or a log might make them."""

from collections.abc import Iterable
from typing import Any

from service.gate.overload import TURNED_AWAY
from service.server.gunicorn_worker import Worker


class FailingWorker(Worker):
    """Answers everything that it does not have to turn away."""

    def load_wsgi(self) -> None:
        """Put the fault before the app."""
        super().load_wsgi()
        app = self.wsgi

        def failing(environ: Any, start_response: Any) -> Iterable[bytes]:
            if TURNED_AWAY in environ:
                raise RuntimeError("a fault")
            return app(environ, start_response)

        self.wsgi = failing
