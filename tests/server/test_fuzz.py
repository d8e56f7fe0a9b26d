"""The short form of the fuzz: the same requests every time, to both servers.

And whoever judges the answers, by answers that are wrong.
"""

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


@pytest.fixture(scope="module", params=["loop"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    registry = shutil.copytree(shipped_root, folder / "registry")  # its own: labels are moved
    settings = {"workers": 2, "registry": registry, "server": request.param}
    # The development environment has pyarrow, so that Arrow is spoken.
    with running(folder, DEV_PYTHON, admin_key_waived=True, **settings) as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers
        assert "Traceback" not in server.output()


@pytest.mark.parametrize("name", [*ASKED, SHAPE])
def test_bad_input_gets_one_proper_refusal(server: Server, name: str) -> None:
    with Fuzzer(server) as fuzzer:
        found = fuzz(fuzzer, name, 120)
    assert found.failures == []
    assert found.requests >= 50
    assert len(found.statuses) > 1


def test_what_atheris_found_worth_keeping_is_answered() -> None:
    for name, target in targets().items():
        kept = sorted((CORPUS / name).iterdir())
        assert kept, name
        for path in kept:
            check(target, path.read_bytes())


ASKED_NATIVE = Request("native", "POST", b"/predict", (), b"", chunked=False)
ASKED_V2 = replace(ASKED_NATIVE, dialect="v2", target=b"/v2/models/calories/infer")
PROBLEM = {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "No."}
ERROR = {"error": "No."}


def answered(content: dict[str, Any], status: int = 400, **headers: str) -> Answer:
    kind = "application/problem+json" if "type" in content else "application/json"
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        status,
        {"content-type": kind, "x-request-id": "one", **told},
        json.dumps(content).encode(),
    )


@pytest.mark.parametrize(
    ("asked", "answer"),
    [(ASKED_NATIVE, answered(PROBLEM)), (ASKED_V2, answered(ERROR))],
    ids=["native", "v2"],
)
def test_a_proper_refusal_passes_the_judge(asked: Request, answer: Answer) -> None:
    judge(asked, "one", answer)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (ASKED_NATIVE, answered(PROBLEM, x_request_id="other")),
        (ASKED_NATIVE, Answer(404, {"connection": "close"}, b"")),
        (ASKED_NATIVE, answered({**PROBLEM, "status": 503}, 503)),
        (ASKED_NATIVE, answered({"calories": float("nan")}, 200)),
        (ASKED_NATIVE, Answer(200, {"x-request-id": "one"}, b"Traceback (most recent call last)")),
        (ASKED_NATIVE, answered(ERROR)),
        (ASKED_NATIVE, answered(PROBLEM, 422)),
        (ASKED_V2, answered(PROBLEM)),
        (ASKED_V2, answered({**ERROR, "code": 3})),
    ],
    ids=["another", "closed", "503", "nan", "traceback", "form", "status", "dialect", "more"],
)
def test_an_answer_that_is_not_as_it_must_be_does_not(asked: Request, answer: Answer) -> None:
    with pytest.raises(AssertionError):
        judge(asked, "one", answer)


LAST = "\r\nConnection: close"  # behind an id


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


def test_an_answer_to_each_of_two_requests_passes() -> None:
    with answering("shape", "probe") as server, Fuzzer(server) as fuzzer:
        fuzzer.shape(b"")


@pytest.mark.parametrize(
    "ids",
    [("shape", "smuggled" + LAST), ("shape", "shape"), ("shape", "shape" + LAST, "probe")],
    ids=["smuggled", "twice", "beyond the last"],
)
def test_an_answer_to_a_part_of_a_request_does_not(ids: tuple[str, ...]) -> None:
    with answering(*ids) as server, Fuzzer(server) as fuzzer, pytest.raises(AssertionError):
        fuzzer.shape(b"")
