"""The short form of the fuzz: the same requests every time; and who judges the answers."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import SimpleNamespace
from typing import Any

import pytest

from tests.fuzz.asked import ASKED, Request
from tests.fuzz.connection import Answer
from tests.fuzz.judge import judge
from tests.fuzz.run import SHAPE, Fuzzer, fuzz
from tests.fuzz.targets import CORPUS, check, targets
from tests.servers import DEV_PYTHON, Server, in_thread, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    registry = shutil.copytree(shipped_root, folder / "registry")  # its own: labels are moved
    settings = {"workers": 1, "registry": registry, "admin_key_waived": True}
    # The development environment has pyarrow, so that Arrow is spoken.
    with running(folder, DEV_PYTHON, **settings) as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers
        assert "Traceback" not in server.output()


@pytest.mark.parametrize("name", [*ASKED, SHAPE])
def test_bad_input_gets_one_proper_refusal(server: Server, name: str) -> None:
    found = fuzz(name, server, 40)
    assert found.failures == []
    assert found.requests >= 30
    assert len(found.statuses) > 1


def test_what_atheris_found_worth_keeping_is_answered() -> None:
    for name, target in targets().items():
        kept = sorted((CORPUS / name).iterdir())
        assert kept, name
        for path in kept:
            check(target, path.read_bytes())


NATIVE, V2 = Request("native", "POST", b"/predict"), Request("v2", "POST", b"/v2/models/a/infer")
PROBLEM = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "No."}
ERROR = {"error": "No."}


def answered(content: dict[str, Any], status: int = 400, request_id: str = "one") -> Answer:
    kind = "application/problem+json" if "type" in content else "application/json"
    headers = {"content-type": kind, "x-request-id": request_id}
    return Answer(status, headers, json.dumps(content).encode())


def test_a_proper_refusal_passes_the_judge_and_no_other_answer_does() -> None:
    for asked, proper, *wrong in (
        (
            *(NATIVE, answered(PROBLEM)),
            answered(PROBLEM, request_id="other"),
            Answer(404, {"connection": "close"}, b""),
            answered({**PROBLEM, "status": 503}, 503),
            answered({"calories": float("nan")}, 200),
            replace(answered({}, 200), body=b"Traceback (most recent call last)"),
            answered(ERROR),
            answered(PROBLEM, 422),
        ),
        (V2, answered(ERROR), answered(PROBLEM), answered({**ERROR, "code": 3})),
    ):
        judge(asked, "one", proper)
        for answer in wrong:
            with pytest.raises(AssertionError):
                judge(asked, "one", answer)


@contextmanager
def answering(*ids: str) -> Iterator[Any]:
    """A server that gives answers of these ids to each connection, whatever comes."""

    class Answering(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            head = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: {}\r\n\r\n"
            self.request.sendall("".join(map(head.format, ids)).encode())

    with in_thread(ThreadingTCPServer(("127.0.0.1", 0), Answering)) as server:
        yield SimpleNamespace(port=server.server_address[1])


def test_an_answer_to_each_of_two_requests_passes_and_one_to_a_part_of_a_request_does_not() -> None:
    last = "\r\nConnection: close"  # behind an id
    with answering("shape", "probe") as server, Fuzzer(server) as fuzzer:
        fuzzer.shape(b"")
    smuggled, twice = ("shape", f"smuggled{last}"), ("shape", "shape")
    for ids in (smuggled, twice, ("shape", f"shape{last}", "probe")):
        with answering(*ids) as server, Fuzzer(server) as fuzzer, pytest.raises(AssertionError):
            fuzzer.shape(b"")
