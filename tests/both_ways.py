"""A client whose every request goes through Flask and through the fast path.

Both must give the same status line, headers and bytes, so any test that asks through this
client is a test of the fast path too.
"""

from io import BytesIO

from werkzeug.test import Client, TestResponse, run_wsgi_app

from service.api.flask_app import App, Environ, StartResponse
from service.app import create_app
from service.serving.host import Host
from service.settings import Settings

DIFFERING = {"date", "x-request-id"}  # headers that no two answers share


def both_ways(settings: Settings, host: Host) -> Client:
    """A client of the service with these settings."""
    flask, fast = (
        create_app(settings.model_copy(update={"fast_path": way}), host).wsgi_app
        for way in (False, True)
    )
    return Client(BothWays(flask, fast), TestResponse)


class BothWays:
    """Answers as both do, if they agree."""

    def __init__(self, flask: App, fast: App) -> None:
        self._ways = (flask, fast)

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        body = environ["wsgi.input"].read()
        flask, fast = (answer(way, {**environ, "wsgi.input": BytesIO(body)}) for way in self._ways)
        assert compared(fast) == compared(flask)
        status, headers, content = fast
        start_response(status, headers)
        return [content]


Answer = tuple[str, list[tuple[str, str]], bytes]


def answer(way: App, environ: Environ) -> Answer:
    """The status line, the headers and the body."""
    content, status, headers = run_wsgi_app(way, environ, buffered=True)
    return status, list(headers), b"".join(content)


def compared(found: Answer) -> Answer:
    status, headers, content = found
    return status, [pair for pair in headers if pair[0].lower() not in DIFFERING], content
