"""A Unix socket in the place of a port."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.started import finished, started
from tests.servers import PATIENCE, ROOT, ROW, SERVICE_PYTHON, await_

START = [SERVICE_PYTHON, "-m", "service"]


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))


def environment(bind: object, registry: object = "") -> dict[str, str]:
    more = {"REGISTRY": str(registry)} if registry else {}
    return {**os.environ, "WORKERS": "2", "BIND": f"unix:{bind}", **more}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("unix") / "calories.sock"
    log = path.with_suffix(".log")
    with (
        log.open("w") as output,
        started(
            START,
            grace=PATIENCE,
            cwd=ROOT,
            env=environment(path, shipped_root),
            stdout=output,
            stderr=output,
        ) as process,
    ):
        await_(lambda: process.poll() is not None or answers(path), "the service answers")
        yield path
    assert process.returncode == 0, log.read_text()
    assert not path.exists()


def answers(path: Path) -> bool:
    try:
        return ask(path, "GET", "/readyz") == 200
    except OSError:
        return False


def ask(path: Path, method: str, target: str, body: str | None = None) -> int:
    with closing(Connection(path)) as connection:
        connection.request(method, target, body, {"content-type": "application/json"})
        return connection.getresponse().status


def test_a_prediction_comes_through_a_unix_socket(path: Path) -> None:
    assert ask(path, "POST", "/predict", json.dumps(ROW)) == 200


def test_what_is_no_http_is_refused_there_too(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")


def refused(bind: object) -> str:
    ended = finished(START, cwd=ROOT, env=environment(bind), check=False)
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    return str(line)


def test_a_socket_that_another_listens_on_is_not_taken(path: Path) -> None:
    assert refused(path) == f"service: cannot listen on unix:{path}: Address already in use."
    assert ask(path, "GET", "/healthz") == 200


def test_a_file_that_is_no_socket_stays(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    assert refused(file) == f"service: cannot listen on unix:{file}: File exists."
    assert file.read_text() == "mine"


def test_a_socket_needs_its_folder(tmp_path: Path) -> None:
    assert refused(tmp_path / "no" / "socket").endswith(": No such file or directory.")


@pytest.mark.parametrize("bind", ["calories.sock", "/" + "a" * 200])
def test_a_socket_has_a_whole_and_short_path(bind: str) -> None:
    assert "expected a path of at most 107 bytes" in refused(bind)
