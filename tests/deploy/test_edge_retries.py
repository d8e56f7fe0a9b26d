"""What the edge asks of another server when one dies over it, and what it never asks twice."""

from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.overload.edge import edge
from tests.servers import PATIENCE, in_thread


class Dying(ThreadingHTTPServer):
    """Is in health, and closes the connection of whoever posts to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: Dying

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.server.asked.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("path", "times"), [("/predict", 2), ("/admin/models/deep/rollback", 1)])
def test_a_prediction_is_asked_of_another_server_and_a_rollback_never(
    tmp_path: Path, path: str, times: int
) -> None:
    with ExitStack() as open_:
        servers = [open_.enter_context(in_thread(Dying())) for _ in range(2)]
        front = open_.enter_context(edge(tmp_path, *(each.server_port for each in servers)))
        assert requests.post(front.url + path, timeout=PATIENCE).status_code == 503
        assert [asked for each in servers for asked in each.asked] == [path] * times
