"""python -m tests.overload.load PORT RATE SECONDS ROWS OUT: requests that come when they come.

Prints "ready" before the first one.

The load is open: requests begin at random times (exponential gaps, seeded) whatever the server
does, and a time is counted from when a request was due. Kept connections are used again, and
another is opened when none is idle. A line of the output is one request: when it was due and
when it ended (seconds of the monotonic clock), its status, 1 if it carried Retry-After, and when
it was sent (or given up before): from due until then this generator was late, not the server.
"""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from httptools import HttpResponseParser

from tests.servers import columns, request

HUNG = 0  # not answered at all
TURNED_AWAY = -1  # the connection was refused, reset or closed
PATIENCE = 30.0  # seconds after the last request until what is not answered counts as hung


class Connection(asyncio.Protocol):
    """One kept connection, with at most one request on it. (Streams cost twice as much.)"""

    def __init__(self, load: "Load") -> None:
        self.transport: asyncio.Transport | None = None
        self.due = 0.0
        self.sent: float | None = None
        self._load, self._retry = load, 0
        self._parser = HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        assert self.transport
        self.sent, self._retry = time.monotonic(), 0
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, _: bytes) -> None:
        self._retry |= name.lower() == b"retry-after"

    def on_message_complete(self) -> None:
        self._load.end(self, self._parser.get_status_code(), self._retry)
        if self._parser.should_keep_alive():
            self._load.idle.append(self)
        elif self.transport:
            self.transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._load.end(self, TURNED_AWAY)
        if self in self._load.idle:
            self._load.idle.remove(self)


@dataclass
class Load:
    """What is asked, the connections that are idle or wait for an answer, and what came."""

    port: int
    request: bytes
    idle: list[Connection] = field(default_factory=list)
    waiting: set[Connection] = field(default_factory=set)
    samples: list[tuple[float, ...]] = field(default_factory=list)

    async def ask(self, due: float) -> None:
        """Send one request, over an idle connection or a new one."""
        connection = self.idle.pop() if self.idle else Connection(self)
        connection.due = due
        self.waiting.add(connection)
        if connection.transport:
            connection.send()
            return
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, "127.0.0.1", self.port)
        except OSError:
            self.end(connection, TURNED_AWAY)

    def end(self, connection: Connection, status: int, retry: int = 0) -> None:
        """Keep a sample of the request on this connection, if there is one."""
        if connection in self.waiting:
            self.waiting.remove(connection)
            now = time.monotonic()
            self.samples.append((connection.due, now, status, retry, connection.sent or now))


async def offer(load: Load, rate: float, seconds: float) -> None:
    """Ask `rate` times a second for so many seconds, then wait for what is not answered."""
    gap = random.Random(0).expovariate  # noqa: S311  the same arrivals in every run
    asking: set[asyncio.Task[None]] = set()
    began = time.monotonic()
    due = began + gap(rate)
    while due < began + seconds:
        # Also when it is late: between any two requests answers are read.
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(load.ask(due))
        asking.add(task)
        task.add_done_callback(asking.discard)
        due += gap(rate)
    until = time.monotonic() + PATIENCE
    while (asking or load.waiting) and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for connection in [*load.waiting]:
        load.end(connection, HUNG)
        if connection.transport:
            connection.transport.abort()


def main(port: int, rate: float, seconds: float, rows: int, out: Path) -> None:
    """Offer the load and write what came."""
    load = Load(port, request(columns(rows)))
    print("ready", flush=True)
    asyncio.run(offer(load, rate, seconds))
    out.write_text("".join(f"{' '.join(map(repr, each))}\n" for each in load.samples))


if __name__ == "__main__":
    port, rate, seconds, rows, out = sys.argv[1:]
    main(int(port), float(rate), float(seconds), int(rows), Path(out))
