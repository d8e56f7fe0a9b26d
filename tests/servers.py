"""Real servers on free ports, their output shown when they do not come up."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseServer
from typing import TypeVar

import requests

from benchmarks.started import Process, finished, started

ROOT = Path(__file__).parent.parent
SERVICE_PYTHON = ROOT / ".venv" / "service" / "bin" / "python"  # made by `make test`
DEV_PYTHON = Path(sys.executable)
ROW = {"sugar": 5, "fiber": 1, "protein": 2}
BODY = json.dumps(ROW).encode()
JSON = {"content-type": "application/json"}
PATIENCE = 60.0  # seconds until something that must happen is given up

OfLibrary = TypeVar("OfLibrary", bound=BaseServer)


def await_(condition: Callable[[], bool], what: str) -> None:
    """Return as soon as `condition` holds; fail with `what` when it does not come to hold."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:.0f} s in vain until {what}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory_of(pid: int) -> dict[str, int]:
    """What /proc says of a process' memory, in bytes: VmRSS, RssAnon and more."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.findall(r"^(\w+):\s+(\d+) kB", status, re.MULTILINE)
    return {name: int(kilobytes) * 1024 for name, kilobytes in found}


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code that nobody has fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def in_thread(server: OfLibrary) -> Iterator[OfLibrary]:
    """Let a server of the standard library serve in a thread, until the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def run(
    python: Path, *arguments: str | Path, check: bool = True, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in the repository's folder; the output is captured."""
    return finished([python, *arguments], cwd=ROOT, check=check, timeout=timeout)


@contextmanager
def beside(module: str, *arguments: object) -> Iterator[Process]:
    """A program of the tests in a process of its own, once it has printed that it is ready."""
    command = [sys.executable, "-m", module, *arguments]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


@dataclass
class Server:
    """A running service."""

    process: Process
    port: int
    log: Path
    certificate: Path | None = None  # what it is asked with over HTTPS
    probe: str = "readyz"  # which says that it is up

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def verify(self) -> str | bool:
        return str(self.certificate) if self.certificate else True

    def output(self) -> str:
        return self.log.read_text()

    def predict(self, row: object = ROW, query: str = "") -> requests.Response:
        url = f"{self.url}/predict{query}"
        return requests.post(url, json=row, timeout=PATIENCE, verify=self.verify)

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}")
        try:
            return requests.get(f"{self.url}/{self.probe}", timeout=5, verify=self.verify).ok
        except (requests.ConnectionError, requests.Timeout):
            return False  # gunicorn listens before a worker has loaded, so a request may wait

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def request(body: bytes = BODY, more: bytes = b"") -> bytes:
    """The bytes of a request to predict, with more lines in its head."""
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return b"%bContent-Length: %d\r\n%b\r\n%b" % (head, len(body), more, body)


def columns(rows: int) -> bytes:
    """A body of so many rows, as columns."""
    return json.dumps({name: [value] * rows for name, value in ROW.items()}).encode()


def open_half_a_request(port: int) -> tuple[socket.socket, bytes]:
    """Send the head of a request; give the connection and the rest, once a worker has it."""
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.sendall(request(more=b"Expect: 100-continue\r\n")[: -len(BODY)])
    assert connection.recv(64).startswith(b"HTTP/1.1 100")
    return connection, BODY


@contextmanager
def shown(server: Server) -> Iterator[None]:
    """Show what the server said, should this fail."""
    try:
        yield
    except BaseException:
        print(server.output()[-5000:])
        raise


@contextmanager
def running(folder: Path, python: Path = SERVICE_PYTHON, /, **settings: object) -> Iterator[Server]:
    """`python -m service` with these settings, from its first answer until its end.

    `under` is no setting, but a command that runs another in its own process, as `nice` does.
    """
    probe = str(settings.pop("probe", "readyz"))
    under = str(settings.pop("under", "")).split()
    assert python.exists(), f"{python} does not exist: run the tests with 'make test'"
    port = int(str(settings.get("port") or free_port()))
    log = folder / f"service-{port}.log"
    environment = {name.upper(): str(value) for name, value in settings.items()}
    certificate = settings.get("tls_certificate")
    with (
        log.open("w") as output,
        started(
            [*under, python, "-m", "service"],
            grace=PATIENCE,
            cwd=ROOT,
            env={**os.environ, "PORT": str(port), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(process, port, log, Path(str(certificate)) if certificate else None, probe)
        with shown(server):
            await_(server.answers, "the service answers")
            yield server
