"""64 clients who send the worst bodies without a pause, and one who asks for a row meanwhile."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from tests.long_form import not_kept
from tests.overload.cost import SIZE, send
from tests.overload.worst import worst
from tests.servers import Server, memory_of
from tests.soak.load import loaded

CLIENTS = 64
KINDS = 16  # of bodies that are sent in turn: the senders hold them all
MOST = 300e6  # bytes of a worker, whatever comes
LATEST = 1.0  # seconds until a row is answered


@dataclass
class Crowd:
    """What came: statuses of the bodies (0: closed unanswered), of rows, and their seconds."""

    bodies: Counter[int]
    rows: Counter[int]
    slowest: float
    peak: int = 0  # bytes of the largest worker
    lost: int = 0  # workers

    def broken(self) -> list[str]:
        """A sentence for each promise that was not kept."""
        failed = sum(n for status, n in self.bodies.items() if status >= 500 and status != 503)
        return not_kept(
            {
                f"{self.lost} workers were lost.": self.lost == 0,
                f"A worker had {self.peak / 1e6:.0f} MB.": self.peak <= MOST,
                f"{failed} bodies got a 5xx other than 503.": failed == 0,
                f"Of {self.rows.total()} rows {self.rows[200]} were answered.": (
                    self.rows.keys() == {200}
                ),
                f"A row waited for {self.slowest:.2f} s.": self.slowest <= LATEST,
            }
        )


def crowd(server: Server, seconds: float) -> Crowd:
    """Let them send some of the bodies, the same ones each time, for so many seconds."""
    workers = server.workers()
    for pid in workers:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak is what it is now
    chosen = random.Random(0).sample(list(worst()), KINDS)  # noqa: S311
    bodies, until = [(each, each.make(SIZE)) for each in chosen], time.monotonic() + seconds

    def client(number: int) -> Counter[int]:
        statuses = Counter[int]()
        for each, body in islice(cycle(bodies), number, None):
            if time.monotonic() > until:
                break
            statuses[send(server.port, each.method, each.path, each.headers, body)] += 1
        return statuses

    with (
        loaded(server.port, connections=1, pause=0.05) as one,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        statuses = sum(clients.map(client, range(CLIENTS)), Counter[int]())
    rows, left = one.samples, server.workers()
    return Crowd(
        statuses,
        Counter(map(int, rows[:, 2])),
        slowest=float(np.max(rows[:, 1] - rows[:, 0])),
        peak=max(memory_of(pid)["VmHWM"] for pid in left),
        lost=len({*workers} - {*left}),
    )
