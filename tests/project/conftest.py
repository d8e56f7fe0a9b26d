"""The client, and a small server that answers what it is told to."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.client import Client
from tests.servers import ROW, in_thread

ANSWER: dict[str, object] = {"calories": 106.7, "lower": 86.3, "upper": 127.0}
ANSWER |= {"in_range": True, "model": "calories", "version": 1}
KNOWN: dict[str, dict[str, object]] = {
    "/models": {"default": "calories"},
    "/models/calories": {"labels": {"stable": 1}},
    "/models/calories/1": {"inputs": [{"name": name} for name in ROW], "output": {"unit": "kcal"}},
}
Told = tuple[int, dict[str, str]]


class Scripted(ThreadingHTTPServer):
    """Answers with the statuses and headers in `script`, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Told] = []
        self.seen: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.slept: list[float] = []  # by its client
        self.client = Client(self.url, sleep=self.slept.append)


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append(dict(self.headers))
        status, headers = self.server.script.pop(0) if self.server.script else (200, {})
        found = KNOWN.get(self.path, ANSWER)
        body = json.dumps(found if status == 200 else {"detail": "Come again."}).encode()
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name there
        pass


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with in_thread(Scripted()) as server:
        yield server
