"""The fast path: the hot predict URLs, answered before Flask's request machinery.

It is only an optimisation. It calls the functions that Flask's routes call, for exact paths
and POST alone; whatever else comes is Flask's. A test sends every request both ways.
"""

from collections.abc import Callable, Iterable, Mapping

from service.api.answers import Reply, Request
from service.gate.wire import ROUTE, App, Environ, StartResponse, received, send

Answer = Callable[[Request], Reply]


class FastPath:
    """Answers POST to the paths in `answers`, and hands everything else to `app`."""

    def __init__(self, app: App, answers: Mapping[str, Answer]) -> None:
        self._app = app
        self._answers = answers

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (PEP 3333)."""
        path = environ["PATH_INFO"]
        answer = self._answers.get(path)
        if answer is None or environ["REQUEST_METHOD"] != "POST":
            return self._app(environ, start_response)
        environ[ROUTE] = path
        return send(answer(received(environ)), start_response)
