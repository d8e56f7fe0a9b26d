"""Until the service has an Application: its WSGI app as one, behind SERVER=loop."""

from collections.abc import Callable, Iterable

from service.api.native import operations as native
from service.api.spoken import dialect
from service.errors import BodyTooLarge, ServiceError
from service.exchange import Exchange, Operation, Response
from service.gate.guard import hints
from service.gate.wire import Environ, StartResponse
from service.server import flask_bridge
from service.settings import Settings

LARGE = "The body is larger than MAX_BODY_BYTES allows, {} bytes; send fewer rows a request."


class Adapter:
    """Hands everything to the WSGI app, which has a gate of its own."""

    def __init__(self, settings: Settings, wsgi: Callable[..., Iterable[bytes]]) -> None:
        self._app = wsgi
        self._most = settings.max_body_bytes
        model = settings.default_model
        hot = ("/predict", f"/v1/models/{model}:predict", f"/v2/models/{model}/infer")
        self._table = {("POST", path): self._row("POST", path, hot=True) for path in hot}
        if not settings.fast_path:
            self._table.clear()
        for path in ("/healthz", "/readyz", "/metrics"):
            self._table["GET", path] = self._row("GET", path, watching=True)

    def wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Ask the WSGI app, and take its id."""

        def start(status: str, headers: list[tuple[str, str]], *_: object) -> object:
            given = dict(headers)
            environ[flask_bridge.EXCHANGE].id = given.pop("X-Request-Id")
            return start_response(status, [*given.items()])

        return self._app(environ, start)

    def enter(self, exchange: Exchange) -> None:
        """Find the operation."""
        request = exchange.request
        exchange.id = request.header("x-request-id") or "unknown"
        exchange.operation = self._table.get((request.method, request.path))
        if int(request.header("content-length") or "0") > self._most:
            self.refuse(exchange, BodyTooLarge(LARGE.format(self._most)))

    def answer(self, exchange: Exchange) -> None:
        """Ask the WSGI app."""
        flask_bridge.answer(self, exchange)

    def refuse(self, exchange: Exchange, error: ServiceError) -> None:
        """Word it in the dialect of the path."""
        reply = dialect(exchange.request.path).refuse(error)
        headers = (*reply.headers, *hints(error))
        exchange.response = Response(reply.status, reply.body, reply.content_type, headers)

    def leave(self, exchange: Exchange) -> None:
        """Tell nobody; the WSGI app has told."""

    def _row(self, method: str, path: str, **how: bool) -> Operation:
        def answer(exchange: Exchange) -> Response:
            self.answer(exchange)
            assert exchange.response  # noqa: S101
            return exchange.response

        return Operation(method, path, answer, native, **how)  # type: ignore[arg-type]
