"""python -m tests.soak.load PORT CONNECTIONS PAUSE OUT [plain|ours]: ask until SIGTERM.

Each of the connections asks, waits for the answer, pauses and asks again: plainly, or by our
client, which sends again what was lost. Prints "ready" when it begins. At the end it writes a line
a request: when it began and ended (seconds of the monotonic clock, which all processes of a machine
share), its status, version, calories and how often it was sent again. The status is LOST where a
connection ended without an answer, REFUSED where there was none.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import requests

from service.client import Client, Refused
from tests.servers import BODY, JSON, PATIENCE, ROW

LOST, REFUSED = 0, -1
Answer = tuple[int, int, float, int]  # status, version, calories, times it was sent again


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
        except Refused as error:
            return error.status, 0, 0.0, len(again)
        except requests.RequestException:
            return LOST, 0, 0.0, len(again)
        return 200, found.version, found.calories, len(again)

    return ask


def main(port: int, connections: int, pause: float, out: Path, by: str = "plain") -> None:
    """Ask over all connections until SIGTERM, then write what came."""
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
    out.write_text("".join(f"{' '.join(map(repr, sample))}\n" for sample in samples))


if __name__ == "__main__":
    _, port, connections, pause, out, *by = sys.argv
    main(int(port), int(connections), float(pause), Path(out), *by)
