"""python -m tests.soak.client_load PORT CONNECTIONS PAUSE OUT: as tests.soak.load, by our client.

Each thread asks with a client of its own, which asks again as often as it does by default.
"""

import signal
import sys
import threading
import time
from pathlib import Path

import requests

from service.client import Client, Refused
from tests.servers import ROW
from tests.soak.load import LOST, Sample


def keep_asking(port: int, pause: float, stop: threading.Event, samples: list[Sample]) -> None:
    """Ask until `stop`."""
    again: list[float] = []

    def wait(seconds: float) -> None:
        again.append(seconds)
        time.sleep(seconds)

    client = Client(f"http://127.0.0.1:{port}", sleep=wait)
    while not stop.wait(pause):
        began = time.monotonic()
        again.clear()
        try:
            found = client.predict(ROW)
            answer = (200, found.version, found.calories)
        except Refused as error:
            answer = (error.status, 0, 0.0)
        except requests.RequestException:
            answer = (LOST, 0, 0.0)
        samples.append((began, time.monotonic(), *answer, len(again)))


def main(port: int, connections: int, pause: float, out: Path) -> None:
    """Ask with all clients until SIGTERM, then write what came."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    samples: list[Sample] = []
    threads = [
        threading.Thread(target=keep_asking, args=(port, pause, stop, samples))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.write_text("".join(f"{' '.join(map(repr, sample))}\n" for sample in samples))


if __name__ == "__main__":
    _, port, connections, pause, out = sys.argv
    main(int(port), int(connections), float(pause), Path(out))
