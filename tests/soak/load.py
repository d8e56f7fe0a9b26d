"""python -m tests.soak.load PORT CONNECTIONS PAUSE plain|ours: ask until SIGTERM.

Each of the connections asks, waits for the answer, pauses and asks again: plainly, or by our
client, which sends again what was lost. Prints "ready" when it begins, and a line a request at the
end: when it began and ended (seconds of the monotonic clock, which all processes of a machine
share), its status, version, calories and how often it was sent again. The status is LOST where a
connection ended without an answer, REFUSED where there was none.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

import numpy as np
import requests
from numpy.typing import NDArray

from service.client import Client, Refused
from tests.servers import BODY, JSON, PATIENCE, ROW, beside

LOST, REFUSED = 0, -1
Answer = tuple[int, int, float, int]  # status, version, calories, times it was sent again


@dataclass
class Load:
    """What came, once the load has ended: a row a request, of the figures of its line."""

    samples: NDArray[np.float64]

    @property
    def answers(self) -> set[tuple[int, int]]:
        """Every status with every version."""
        return {(int(status), int(version)) for status, version in self.samples[:, 2:4]}


@contextmanager
def loaded(
    port: int, connections: int = 4, pause: float = 0.01, by: str = "plain"
) -> Iterator[Load]:
    """Load from another process, so that it does not wait for this one."""
    load = Load(np.empty((0, 6)))
    with beside("tests.soak.load", port, connections, pause, by) as process:
        yield load
        process.terminate()
        told = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0
    load.samples = np.loadtxt(told.splitlines(), ndmin=2)


def plain(port: int) -> Callable[[], Answer]:
    """Ask over one connection, and over the next one when it fails."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def ask() -> Answer:
        try:
            connection.request("POST", "/predict", BODY, JSON)
            with connection.getresponse() as answer:
                body, status = answer.read(), answer.status
        except (OSError, HTTPException) as error:
            connection.close()
            return (REFUSED if isinstance(error, ConnectionRefusedError) else LOST), 0, 0.0, 0
        found = json.loads(body) if status == 200 else {}
        return status, found.get("version", 0), found.get("calories", 0.0), 0

    return ask


def ours(port: int) -> Callable[[], Answer]:
    """Ask with a client, which asks again as often as it does by default."""
    again: list[float] = []

    def wait(seconds: float) -> None:
        again.append(seconds)
        time.sleep(seconds)

    client = Client(f"http://127.0.0.1:{port}", sleep=wait)

    def ask() -> Answer:
        again.clear()
        try:
            found = client.predict(ROW)
        except (Refused, requests.RequestException) as error:
            return getattr(error, "status", LOST), 0, 0.0, len(again)
        return 200, found.version, found.calories, len(again)

    return ask


def main(port: int, connections: int, pause: float, by: str) -> None:
    """Ask over all connections until SIGTERM, then print what came."""
    stop, samples = threading.Event(), list[tuple[float, ...]]()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def keep_asking(ask: Callable[[], Answer]) -> None:
        while not stop.wait(pause):
            began = time.monotonic()
            answer = ask()
            samples.append((began, time.monotonic(), *answer))

    print("ready", flush=True)
    way = ours if by == "ours" else plain
    with ThreadPoolExecutor(connections) as clients:
        list(clients.map(keep_asking, [way(port) for _ in range(connections)]))
    print(*(" ".join(map(repr, sample)) for sample in samples), sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
