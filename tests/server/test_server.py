"""The real servers, started as a user starts them, in the service's own environment."""

import json
import os
import re
import shlex
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import requests

from tests.servers import (
    DEV_PYTHON,
    PATIENCE,
    ROW,
    SERVICE_PYTHON,
    Server,
    await_,
    memory_of,
    run,
    running,
)

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with running(folder, workers=2, registry=shipped_root, log_format="console") as server:
        # One worker prints the banner; another may have answered before.
        await_(lambda: "Try:" in server.output(), "the banner is printed")
        yield server


def test_the_readme_request_is_answered(server: Server) -> None:
    answer = server.predict()
    assert answer.status_code == 200
    assert list(answer.json()) == ["calories", "lower", "upper", "in_range", "model", "version"]


def test_start_up_prints_the_url_and_every_version(server: Server) -> None:
    output = server.output()
    assert f"Serving calories at {server.url}" in output
    assert output.count("Serving calories at") == 1
    for model in ("calories", "deep", "linear", "linear-unit"):
        assert f"  {model}: version 1 (stable: 1)" in output


def test_the_printed_curl_line_works(server: Server) -> None:
    [line] = re.findall(r"^  curl .*", server.output(), re.MULTILINE)
    command = shlex.split(line)
    url, header, body = command[2], command[4], command[6]
    name, _, value = header.partition(": ")
    answer = requests.post(url, data=body, headers={name: value}, timeout=PATIENCE)
    assert answer.json()["model"] == "calories"


def test_the_client_prints_a_prediction(server: Server) -> None:
    client = run(SERVICE_PYTHON, "-m", "service.client", "--url", server.url, "5", "1", "2")
    assert re.fullmatch(r"\d+\.\d kcal \(.* to .*\), by calories version 1\n", client.stdout)


def test_a_worker_owns_less_than_55_mb(server: Server) -> None:
    assert all(sizes["RssAnon"] < 55e6 for sizes in weigh(server))


def test_a_worker_stays_under_100_mb_of_resident_memory(server: Server) -> None:
    # Pages of the libraries' files count. How many Linux maps depends on how they came into its
    # cache: 9 MB more where they were just installed than where they were read from the disk.
    assert all(sizes["VmRSS"] < 100e6 for sizes in weigh(server))


def test_the_threads_of_a_worker_share_one_heap(server: Server) -> None:
    server.predict()
    for pid in server.workers():
        assert not other_heaps(pid)


def test_the_environment_may_give_them_more(tmp_path: Path, shipped_root: Path) -> None:
    with running(tmp_path, workers=1, registry=shipped_root, malloc_arena_max=8) as server:
        server.predict()
        assert all(map(other_heaps, server.workers()))


def other_heaps(pid: int) -> list[str]:
    """glibc's, which end at a multiple of 64 MB, the untouched rest of each held for it."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    held = [
        line for line in lines if re.match(r"[0-9a-f]+-[0-9a-f]+[048c]0{6} ---p 0+ 00:00", line)
    ]
    spans = [[int(at, 16) for at in line.split()[0].split("-")] for line in held]
    return [line for line, (start, end) in zip(held, spans, strict=True) if end - start > 2**20]


def weigh(server: Server) -> list[dict[str, int]]:
    """What /proc says of each worker's memory, in bytes, once it has served."""
    for _ in range(200):
        server.predict()
    return [memory_of(pid) for pid in server.workers()]


def test_tensorflow_is_not_imported_by_the_service() -> None:
    code = "import sys, service.server.wsgi; print(*{name.split('.')[0] for name in sys.modules})"
    # In an environment in which TensorFlow could be imported.
    imported = set(run(DEV_PYTHON, "-c", code).stdout.split())
    assert {"service", "flask", "ai_edge_litert"} <= imported
    assert not {"tensorflow", "keras"} & imported


def test_the_service_environment_holds_no_tensorflow() -> None:
    code = "from importlib import metadata as m; print(*(each.name for each in m.distributions()))"
    installed = set(run(SERVICE_PYTHON, "-c", code).stdout.lower().split())
    assert "ai-edge-litert" in installed
    assert not {name for name in installed if name.startswith(("tensorflow", "keras"))}


def test_the_service_environment_stays_under_250_mb() -> None:
    site = SERVICE_PYTHON.parent.parent / "lib"
    assert sum(f.stat().st_size for f in site.rglob("*") if f.is_file()) < 250e6


def test_a_chunked_body_is_answered(server: Server) -> None:
    chunks = iter([b'{"sugar":5,', b'"fiber":1,"protein":2}'])
    answer = requests.post(f"{server.url}/predict", data=chunks, headers=JSON, timeout=PATIENCE)
    assert answer.json()["calories"] == server.predict().json()["calories"]


LARGE = b" " * (8 * 1024 * 1024 + 1)


@pytest.mark.parametrize("body", [LARGE, [LARGE]], ids=["whole", "chunked"])
def test_a_body_over_the_limit_gets_413_and_a_problem(
    server: Server, body: bytes | list[bytes]
) -> None:
    answer = requests.post(
        f"{server.url}/predict",
        data=body if isinstance(body, bytes) else iter(body),
        headers=JSON,
        timeout=PATIENCE,
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def open_half_a_request(port: int) -> tuple[socket.socket, bytes]:
    """Send the head and the first bytes of a request; give the connection and the rest."""
    body = json.dumps(ROW).encode()
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    # The server answers "100 Continue" when the request is in a worker's hands.
    assert connection.recv(64).startswith(b"HTTP/1.1 100")
    return connection, body


def test_sigterm_finishes_what_is_in_flight_and_exits_0(tmp_path: Path, shipped_root: Path) -> None:
    with running(tmp_path, workers=1, registry=shipped_root) as server:
        connection, rest = open_half_a_request(server.port)
        server.process.terminate()
        with connection:
            connection.sendall(rest)
            response = HTTPResponse(connection)
            response.begin()
            assert response.status == 200
            assert json.loads(response.read())["model"] == "calories"
        assert server.process.wait(PATIENCE) == 0


def test_a_busy_port_is_one_clear_sentence(server: Server) -> None:
    refused = run(SERVICE_PYTHON, "-m", "service", "--port", str(server.port), check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"service: port {server.port} on 127.0.0.1 is in use; ")
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--port", "x"], "service: PORT: "),
        (["--engine", "torch"], "service: ENGINE: "),
        (
            ["--host", "256.1.1.1", "--predict-key-waived", "true"],
            "service: cannot listen on 256.1.1.1, port 8000: ",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(arguments: list[str], sentence: str) -> None:
    refused = run(SERVICE_PYTHON, "-m", "service", *arguments, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(sentence)
    assert "Traceback" not in refused.stderr


def test_a_connection_is_kept_between_requests(server: Server) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for _ in range(3):
        connection.request(
            "POST", "/predict", json.dumps(ROW), {"content-type": "application/json"}
        )
        response = connection.getresponse()
        response.read()
        assert not response.will_close
    connection.close()


def test_a_killed_worker_is_replaced(tmp_path: Path, shipped_root: Path) -> None:
    with running(tmp_path, workers=2, registry=shipped_root) as server:
        before = server.workers()
        os.kill(before[0], signal.SIGKILL)
        await_(lambda: len({*server.workers()} - {*before}) == 1, "another worker is there")
        await_(server.answers, "the service answers")
        assert server.predict().status_code == 200
