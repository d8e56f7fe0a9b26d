"""python -m benchmarks.steps: where the time of a prediction goes inside the process.

Each step is timed alone, in a loop in which everything stays in the caches; behind a server
each costs more. The engine is asked through the service's own classes, the whole app with a
WSGI environ as gunicorn makes it, without the server.
"""

import os
import sys
from collections.abc import Callable
from io import BytesIO
from time import perf_counter
from typing import Any

from benchmarks.bodies import BATCHES, ONE, Body
from benchmarks.engine import best
from models.registry import SHELF
from service.api.answers import JSON, dumps
from service.api.native import predictions, read
from service.app import Application, create_app, create_application, create_host
from service.exchange import Exchange, Request
from service.observe.metrics import Metrics
from service.serving.dataplane import DataPlane, predict
from service.settings import Settings

BODIES = (ONE, *(body for body in BATCHES if body.count == 1000))
SETTINGS = Settings(registry=SHELF)
HEADERS = {"content-type": "application/json"}

Steps = dict[str, Callable[[], object]]


def main() -> int:
    """Print a table of microseconds: a step a line, a body a column."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    found = {
        body.name: {name: best(step) for name, step in _steps(body).items()} for body in BODIES
    }
    print(f"| µs | {' | '.join(found)} |\n| --- |{' ---: |' * len(found)}")
    for step in next(iter(found.values())):
        print(f"| {step} | {' | '.join(f'{each[step]:,.1f}' for each in found.values())} |")
    return 0


def _steps(body: Body) -> Steps:
    host = create_host(SETTINGS)
    plane = DataPlane(host, SETTINGS.default_model, SETTINGS.max_rows)
    source, content = plane.choose(), body.content()
    rows, form = read.rows(JSON, content, source.accepted, SETTINGS.max_rows)
    answer = predict(source, rows)
    environ, metrics = _environ(content), Metrics(host)
    application = create_application(SETTINGS, host)
    told = _answered(application, content)
    fast, flask = (
        create_app(SETTINGS.model_copy(update={"fast_path": way}), host).wsgi_app
        for way in (True, False)
    )
    return {
        "parse and validate": lambda: read.rows(JSON, content, source.accepted, SETTINGS.max_rows),
        "infer": lambda: source.engine.predict(rows),
        "infer, check the answer and the ranges": lambda: predict(source, rows),
        "render": lambda: dumps(predictions.PREDICTED[form](answer)),
        "record it for the metrics, and count": lambda: metrics(told),
        "the application: from enter to leave": lambda: _answered(application, content),
        "the app as WSGI": lambda: _ask(fast, environ, content),
        "the app without the fast path": lambda: _ask(flask, environ, content),
    }


def _answered(application: Application, content: bytes) -> Exchange:
    exchange = Exchange(Request("POST", "/predict", "", HEADERS, content), perf_counter())
    application.enter(exchange)
    application.answer(exchange)
    application.leave(exchange)
    return exchange


def _environ(content: bytes) -> dict[str, Any]:
    """What gunicorn gives a WSGI app for POST /predict (PEP 3333)."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/predict",
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def _ask(app: Callable[..., Any], environ: dict[str, Any], content: bytes) -> bytes:
    return b"".join(app({**environ, "wsgi.input": BytesIO(content)}, lambda *_: None))


if __name__ == "__main__":
    sys.exit(main())
