"""python -m tests.overload.load URL RATE SECONDS OUT [--rows N]: requests that come when they come.

The load is open: requests begin at random times (exponential gaps, seeded) whatever the server
does, and a time is counted from when a request was due. Kept connections are used again, and
another is opened when none is idle. A line of the output is one request: when it was due and
when it ended (seconds of the monotonic clock), its status, 1 if it carried Retry-After, and when
it was sent (or given up before): from due until then this generator was late, not the server.
"""

import argparse
import asyncio
import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import ROW

HUNG = 0  # not answered at all
TURNED_AWAY = -1  # the connection was refused, reset or closed
PATIENCE = 30.0  # seconds after the last request until what is not answered counts as hung

Sample = tuple[float, float, int, int, float]


def request(path: str, rows: int) -> bytes:
    """A request to predict so many rows, as columns."""
    body = json.dumps({name: [value] * rows for name, value in ROW.items()}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass
class Load:
    """What is asked, the connections that are idle, and what came."""

    host: str
    port: int
    request: bytes
    idle: list["Connection"] = field(default_factory=list)
    asked: dict["Connection", float] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    connecting: set[asyncio.Task[None]] = field(default_factory=set)
    quiet: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self, due: float) -> None:
        """Send one request, over an idle connection or a new one."""
        connection = self.idle.pop() if self.idle else Connection(self)
        self.asked[connection] = due
        if connection.transport:
            connection.send()
        else:
            task = asyncio.get_running_loop().create_task(self._connect(connection))
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)

    async def _connect(self, connection: "Connection") -> None:
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: connection, self.host, self.port)
        except OSError:
            self.end(connection, TURNED_AWAY)

    def end(self, connection: "Connection", status: int, retry: int = 0) -> None:
        """Keep a sample of the request on this connection, if there is one."""
        due = self.asked.pop(connection, None)
        if due is not None:
            now = time.monotonic()
            self.samples.append((due, now, status, retry, connection.sent or now))
        if not self.asked:
            self.quiet.set()

    async def finish(self) -> None:
        """Wait for all answers; what is not answered in time has hung."""
        self.quiet.clear()
        if self.asked:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.quiet.wait(), PATIENCE)
        for connection in [*self.asked]:
            self.end(connection, HUNG)
            if connection.transport:
                connection.transport.abort()


class Connection(asyncio.Protocol):
    """One kept connection, with at most one request on it."""

    def __init__(self, load: Load) -> None:
        self.transport: asyncio.Transport | None = None
        self.sent: float | None = None
        self._load = load
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Send the request."""
        assert self.transport
        self.sent = time.monotonic()
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(self._received) < end + 4 + length:
            return
        self._received.clear()
        self._load.end(self, int(head[9:12]), int(b"\nretry-after:" in head))
        if b"\nconnection: close" not in head:
            self._load.idle.append(self)
        elif self.transport:
            self.transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self._load.end(self, TURNED_AWAY)
        if self in self._load.idle:
            self._load.idle.remove(self)


async def offer(load: Load, rate: float, seconds: float) -> None:
    """Ask `rate` times a second for so many seconds, then wait for what is not answered."""
    gap = random.Random(0).expovariate  # noqa: S311  the same arrivals in every run
    began = time.monotonic()
    due = began + gap(rate)
    while due < began + seconds:
        # Also when it is late: between any two requests answers are read.
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        load.ask(due)
        due += gap(rate)
    await load.finish()


def main() -> None:
    """Offer the load and write what came."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload.load")
    parser.add_argument("url")
    parser.add_argument("rate", type=float)
    parser.add_argument("seconds", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=1)
    options = parser.parse_args()
    url = urlsplit(options.url)
    load = Load(url.hostname or "", url.port or 80, request(url.path, options.rows))
    asyncio.run(offer(load, options.rate, options.seconds))
    options.out.write_text("".join(f"{' '.join(map(repr, each))}\n" for each in load.samples))


if __name__ == "__main__":
    main()
