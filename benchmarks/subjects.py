"""Who answers: a command, the environment it runs in, and the bodies it takes.

Every subject has one worker but TWO_WORKERS; the service has its own defaults besides.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.bodies import BATCHES, BULK, ONE, VERSION, Body, predictions

ROOT = Path(__file__).parent.parent
CONNECTIONS = (1, 16, 64)
THREADS = "4"  # of the floors and peers with threads, as they are usually run

GUNICORN_FLAGS = (
    *("--workers", "1", "--worker-class", "gthread", "--threads", THREADS),
    *("--keep-alive", "65", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"),  # noqa: S108
)
GRANIAN_FLAGS = (
    *("--interface", "wsgi", "--workers", "1", "--blocking-threads", THREADS),
    *("--backpressure", "1024", "--no-ws", "--respawn-failed-workers"),
)


@dataclass(frozen=True)
class Cell:
    """One thing to measure: a body over so many connections."""

    body: Body
    connections: int


@dataclass(frozen=True)
class Subject:
    """One server. `{port}` and `{folder}` in its command are filled in when it starts."""

    name: str
    kind: Literal["service", "floor", "peer"]
    environment: str  # a folder of .venv; empty for a program of the system
    command: tuple[str, ...]
    cells: tuple[Cell, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    batch_path: str = "/predict"  # where several rows go

    def path(self, body: Body) -> str:
        """Where a body is sent."""
        return "/predict" if body.form == "row" else self.batch_path


def _cells(*bodies: Body) -> tuple[Cell, ...]:
    return tuple(Cell(body, connections) for body in bodies for connections in CONNECTIONS)


ROW_CELLS = _cells(ONE)
SERVICE_CELLS = (*_cells(ONE, *BATCHES), *(Cell(body, 1) for body in BULK))
PEER_CELLS = _cells(ONE, *(body for body in BATCHES if body.form == "rows"))


def answer() -> str:
    """The service's answer to one row, which the constant servers give."""
    calories = round(float(predictions(1)[0]), 5)
    row = {"calories": calories, "lower": calories - 20, "upper": calories + 20, "in_range": True}
    return json.dumps({**row, "model": "calories", "version": 1}, separators=(",", ":")) + "\n"


def _service(name: str, cells: tuple[Cell, ...], **settings: str) -> Subject:
    """The service as a user starts it."""
    return Subject(name, "service", "service", ("-m", "service"), cells, settings)


def _gunicorn(flags: tuple[str, ...], target: str) -> tuple[str, ...]:
    return ("-m", "gunicorn", "--bind", "127.0.0.1:{port}", *flags, target)


def _peer(name: str, environment: str, command: tuple[str, ...]) -> Subject:
    model = {"SAVED_MODEL": str(VERSION), "TWIN": str(VERSION / "model.tflite")}
    folder = f"bench-{environment}"
    return Subject(name, "peer", folder, command, PEER_CELLS, model, batch_path="/predict/batch")


def _uvicorn(target: str) -> tuple[str, ...]:
    return ("-m", "uvicorn", "--port", "{port}", "--no-access-log", target)


def _floor(name: str, environment: str, command: tuple[str, ...]) -> Subject:
    return Subject(name, "floor", environment, command, ROW_CELLS, {"ANSWER": answer()})


SERVICE = _service("service", SERVICE_CELLS, WORKERS="1")
FLASK = _service("service, no fast path", ROW_CELLS, WORKERS="1", FAST_PATH="0")
TWO_WORKERS = _service("service, two workers", (), WORKERS="2")
LIBRARIES = _floor("bare libraries", "service", ("-m", "benchmarks.bare", "{port}", "libraries"))
BARE = _floor("constant, bare protocol", "service", ("-m", "benchmarks.bare", "{port}", "constant"))
GUNICORN = _floor(
    "constant, gunicorn", "service", _gunicorn(GUNICORN_FLAGS, "benchmarks.constant:app")
)
GRANIAN = _floor(
    "constant, Granian",
    "bench-granian",
    ("-m", "granian", "--port", "{port}", *GRANIAN_FLAGS, "benchmarks.constant:app"),
)
NGINX = Subject(
    "constant, nginx",
    "floor",
    "",
    ("nginx", "-p", "{folder}", "-e", "stderr", "-c", "{folder}/nginx.conf"),
    ROW_CELLS,
)
BARE_FLASK = Subject(
    "bare Flask, gunicorn",
    "floor",
    "service",
    _gunicorn(GUNICORN_FLAGS, "benchmarks.bare_flask:app"),
    (),
    {"ANSWER": answer()},
)
FLASK_SAVED_MODEL = _peer(
    "Flask, gunicorn, SavedModel",
    "flask-saved-model",
    _gunicorn(GUNICORN_FLAGS, "benchmarks.peers.flask_saved_model:app"),
)
FASTAPI_SAVED_MODEL = _peer(
    "FastAPI, uvicorn, SavedModel",
    "fastapi-saved-model",
    _uvicorn("benchmarks.peers.fastapi_saved_model:app"),
)
FASTAPI_LITERT = _peer(
    "FastAPI, uvicorn, LiteRT", "fastapi-litert", _uvicorn("benchmarks.peers.fastapi_litert:app")
)

# Those that are compared most stand side by side.
SUBJECTS = (SERVICE, LIBRARIES, BARE, FLASK, GUNICORN, GRANIAN, NGINX, BARE_FLASK)
PEERS = (FLASK_SAVED_MODEL, FASTAPI_SAVED_MODEL, FASTAPI_LITERT)
