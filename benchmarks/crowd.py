"""python -m benchmarks.crowd: many clients at once, slow ones, and large requests beside small.

Prints what a closed loop of kept connections sees, each sending one row as soon as the answer
before it has come, and keeps it for the table of targets. Takes a minute and a half.
"""

import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import load
from benchmarks.bodies import ONE, Body
from benchmarks.results import RUNS, Crowd
from benchmarks.server import Server, serving
from benchmarks.started import started
from benchmarks.subjects import ROOT, SERVICE, TWO_WORKERS

SECONDS = 4.0  # of a window
BATCH, BATCHES = Body("rows", 1000), 4  # connections with a large request each
BUSY = 16  # connections of one row beside them
OK = b"HTTP/1.1 200"


@dataclass
class Client:
    """One kept connection."""

    connection: socket.socket
    began: float
    first: float = 0.0
    answers: int = 0
    others: int = 0
    worker: bytes = b""
    received: bytearray = field(default_factory=bytearray)


def main() -> int:
    """Measure, print and keep."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    with tempfile.TemporaryDirectory(prefix="crowd-") as folder, load_body(folder) as body:
        with serving(SERVICE, cores[0], Path(folder)) as server:
            clients = together(server.port, 1_000)
            alone = _p99(server, body)
            beside_batches = _beside_batches(server, body, Path(folder)) / alone
            quiet = _p99(server, body)
            with _slow(server.port):
                beside_slow = _p99(server, body) / quiet
        with serving(TWO_WORKERS, cores[0], Path(folder)) as server:
            while len({each.worker for each in together(server.port, 16, 0.1)}) < 2:
                pass  # the second one is still loading
            busier = {count: _busier(together(server.port, count)) for count in (64, 1_000)}
    found = Crowd(
        refused=sum(each.others for each in clients),
        last_first=max(each.first for each in clients),
        slowest=min(each.answers for each in clients) / median(each.answers for each in clients),
        busier=busier,
        beside_batches=beside_batches,
        beside_slow=beside_slow,
    )
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / "crowd.json").write_text(found.model_dump_json(indent=2))
    print(found.model_dump_json(indent=2))
    return 0


@contextmanager
def load_body(folder: str) -> Iterator[Path]:
    """The file that wrk sends."""
    path = Path(folder) / "row.json"
    path.write_bytes(ONE.content())
    yield path


def together(port: int, count: int, seconds: float = SECONDS) -> list[Client]:
    """Open so many connections at once, and let each ask as fast as it is answered."""
    content = ONE.content()
    request = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(content), content)
    )
    with selectors.DefaultSelector() as selector:
        clients = [_opened(port, selector, request) for _ in range(count)]
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or any(not each.answers for each in clients):
            if time.perf_counter() > end + 30:
                break
            for key, _ in selector.select(0.1):
                _read(key.data, request, selector)
        for each in clients:
            each.connection.close()
    return clients


def _opened(port: int, selector: selectors.BaseSelector, request: bytes) -> Client:
    began = time.perf_counter()
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(request)
    connection.setblocking(False)
    client = Client(connection, began)
    selector.register(connection, selectors.EVENT_READ, client)
    return client


def _read(client: Client, request: bytes, selector: selectors.BaseSelector) -> None:
    """Take what has come; ask again once an answer is whole."""
    part = client.connection.recv(65536)
    client.received += part
    head, separator, rest = bytes(client.received).partition(b"\r\n\r\n")
    fields = {name.lower(): value.strip() for name, _, value in _fields(head)}
    if part and (not separator or len(rest) < int(fields.get(b"content-length", b"0"))):
        return
    client.answers += 1
    client.others += not head.startswith(OK)
    client.first = client.first or time.perf_counter() - client.began
    client.worker = fields.get(b"x-request-id", b"")[:12]  # the worker's own part of its ids
    client.received.clear()
    if part:
        client.connection.send(request)
    else:
        selector.unregister(client.connection)


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (line.partition(b":") for line in head.split(b"\r\n")[1:])


def _busier(clients: list[Client]) -> float:
    return Counter(each.worker for each in clients).most_common(1)[0][1] / len(clients)


def _p99(server: Server, body: Path) -> float:
    return load.run(server.url(ONE), body, BUSY, SECONDS).p99


def _beside_batches(server: Server, body: Path, folder: Path) -> float:
    large = folder / "rows.json"
    large.write_bytes(BATCH.content())
    command = ["wrk", "-t1", f"-c{BATCHES}", "-d60s", "-s", str(load.SCRIPT), server.url(BATCH)]
    environment = {**os.environ, "BODY": str(large)}
    with started(command, env=environment, stdout=subprocess.DEVNULL):
        return _p99(server, body)


@contextmanager
def _slow(port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.overload.slow", str(port)]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        if process.stdout:
            process.stdout.readline()
        yield


if __name__ == "__main__":
    sys.exit(main())
