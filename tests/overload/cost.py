"""What a body costs a worker: its peak of memory and its processor time, from /proc."""

import http.client
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.overload.worst import ARROW, CSV, HEADER, JSON, ROW, STREAMS, Worst
from tests.servers import PATIENCE, Server, memory_of

SIZE = 8 * 2**20  # bytes of a body: MAX_BODY_BYTES
TIMES = 8  # the most memory beside the body, in times its size ...
LEAST = 40 * 2**20  # ... or so many bytes: a small body may ask for 100,000 answers
SECONDS = 1.0  # of processor time

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Bytes beyond the resting worker and the body, and seconds; status 0: closed unanswered."""

    worst: Worst
    size: int
    status: int
    memory: int
    seconds: float

    @property
    def bearable(self) -> bool:
        """Whether it is within what docs/reliability.md promises, and no failure."""
        memory = self.memory <= max(TIMES * self.size, LEAST)
        return memory and self.seconds <= SECONDS and self.status < 500

    def __str__(self) -> str:
        return (
            f"{self.worst.method} {self.worst.path}, {self.worst.name}: "
            f"{self.size / 2**20:.1f} MiB, status {self.status}, {self.memory / 2**20:.0f} MiB "
            f"({self.memory / self.size:.1f} times), {self.seconds:.2f} s"
        )


class Watched:
    """The one worker of a server, as it rests once it has loaded all that it ever loads."""

    def __init__(self, server: Server) -> None:
        self._port = server.port
        (self.pid,) = server.workers()
        for kind, body in (
            (JSON, f"[{ROW}]".encode()),
            (CSV, HEADER.encode()),
            *((ARROW, STREAMS[name](0)) for name in ("nulls", "all rows")),
        ):
            send(self._port, "POST", "/predict", {"Content-Type": kind}, body)
        self.rest = memory_of(self.pid)["VmRSS"]

    def cost(self, worst: Worst, size: int = SIZE) -> Cost:
        """Send one and wait for its answer."""
        body = worst.make(size)

        def ask() -> int:
            return send(self._port, worst.method, worst.path, worst.headers, body)

        return self.cost_of(worst, len(body), ask)

    def cost_of(self, worst: Worst, size: int, ask: Callable[[], int]) -> Cost:
        """What the worker did meanwhile; `ask` gives the status."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the peak is what it is now
        before = self._seconds()
        status = ask()
        peak = memory_of(self.pid)["VmHWM"] - self.rest - size
        return Cost(worst, size, status, peak, self._seconds() - before)

    def _seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def send(port: int, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
    """The status that a body gets over a connection of its own; 0 where it is closed unanswered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused while it is sent
            connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
    except (http.client.HTTPException, ConnectionError):
        return 0
    finally:
        connection.close()
