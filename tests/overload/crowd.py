"""64 clients who send the worst bodies without a pause, and one who asks for a row meanwhile.

python -m tests.overload.crowd PORT SECONDS: the 64, in a process of their own. Prints the statuses
that they got.
"""

import json
import math
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks.started import started
from tests.overload.cost import SIZE, send
from tests.overload.worst import worst
from tests.servers import ROOT, Server, memory_of

CLIENTS = 64
KINDS = 16  # of bodies that are sent in turn: the senders hold them all
PATIENCE = 20.0  # seconds until a row that is not answered counts as failed
MOST = 300e6  # bytes of a worker, whatever comes
LATEST = 1.0  # seconds until a row is answered


@dataclass
class Crowd:
    """What came: statuses of the bodies (0: closed unanswered), of rows, and their seconds."""

    bodies: Counter[int] = field(default_factory=Counter)
    rows: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    peak: int = 0  # bytes of the largest worker
    lost: int = 0  # workers

    def broken(self) -> list[str]:
        """A sentence for each promise that was not kept."""
        failed = sum(n for status, n in self.bodies.items() if status >= 500 and status != 503)
        kept = {
            f"{self.lost} workers were lost.": self.lost == 0,
            f"A worker had {self.peak / 1e6:.0f} MB.": self.peak <= MOST,
            f"{failed} bodies got a 5xx other than 503.": failed == 0,
            f"Of {self.rows.total()} rows {self.rows[200]} were answered.": set(self.rows) == {200},
            f"A row waited for {self.slowest:.2f} s.": self.slowest <= LATEST,
        }
        return [sentence for sentence, is_so in kept.items() if not is_so]

    @property
    def slowest(self) -> float:
        return max(self.seconds, default=math.inf)

    def __str__(self) -> str:
        return (
            f"{CLIENTS} clients: {_told(self.bodies)}; a row beside them: {_told(self.rows)}, the "
            f"slowest in {self.slowest:.2f} s; the largest worker {self.peak / 1e6:.0f} MB; "
            f"{self.lost} workers lost"
        )


def crowd(server: Server, seconds: float) -> Crowd:
    """Let them send for so many seconds, and ask beside them."""
    found, workers = Crowd(), server.workers()
    for pid in workers:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is what it is now
    command = [sys.executable, "-m", "tests.overload.crowd", str(server.port), str(seconds)]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        while process.poll() is None:
            _ask(server, found)
            time.sleep(0.05)
        assert process.stdout is not None
        statuses = json.loads(process.stdout.read())
    found.bodies.update({int(status): times for status, times in statuses.items()})
    left = server.workers()
    found.lost = len(set(workers) - set(left))
    found.peak = max(memory_of(pid)["VmHWM"] for pid in left)
    return found


def _ask(server: Server, found: Crowd) -> None:
    """One row, over a connection of its own."""
    row, began, status = {"sugar": 5, "fiber": 1, "protein": 2}, time.monotonic(), 0
    with suppress(requests.RequestException):
        status = requests.post(f"{server.url}/predict", json=row, timeout=PATIENCE).status_code
    found.rows[status] += 1
    found.seconds.append(time.monotonic() - began)


def _told(statuses: Counter[int]) -> str:
    return ", ".join(f"{status}: {times}" for status, times in sorted(statuses.items()))


def main(port: int, seconds: float) -> None:
    """Send some of the bodies, the same ones each time, a thread a client."""
    chosen = random.Random(0).sample(list(worst()), KINDS)  # noqa: S311
    bodies = [(each, each.make(SIZE)) for each in chosen]
    statuses, lock, until = Counter[int](), threading.Lock(), time.monotonic() + seconds

    def client(number: int) -> None:
        while time.monotonic() < until:
            number += 1
            each, body = bodies[number % len(bodies)]
            status = send(port, each.method, each.path, each.headers, body)
            with lock:
                statuses[status] += 1

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    print(json.dumps(statuses))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
