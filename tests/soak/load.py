"""python -m tests.soak.load PORT CONNECTIONS PAUSE OUT: ask until SIGTERM, then write what came.

Each connection asks, waits for the answer, pauses and asks again. A line of the output is one
request: when it began and ended (seconds of the monotonic clock, which all processes of a
machine share), its status, version, calories and how often it was sent again. The status is LOST
where a connection ended without an answer, REFUSED where there was none.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from tests.servers import ROW

BODY = json.dumps(ROW).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
LOST, REFUSED = 0, -1
Sample = tuple[float, float, int, int, float, int]


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Sample, bool]:
    """One request over a kept connection; and whether its answer closes it."""
    began = time.monotonic()
    writer.write(REQUEST)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    body = await reader.readexactly(length)
    ended = time.monotonic()
    status = int(head.split()[1])
    answer = json.loads(body) if status == 200 else {}
    sample = began, ended, status, answer.get("version", 0), answer.get("calories", 0.0), 0
    return sample, "connection: close" in head


async def keep_asking(port: int, pause: float, stop: asyncio.Event, samples: list[Sample]) -> None:
    """Ask over one connection, and over the next one when it fails, until `stop`."""
    while not stop.is_set():
        began = time.monotonic()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            closed = False
            while not closed and not stop.is_set():
                began = time.monotonic()
                sample, closed = await ask(reader, writer)
                samples.append(sample)
                await asyncio.sleep(pause)
            writer.close()
        except ConnectionRefusedError:
            samples.append((began, time.monotonic(), REFUSED, 0, 0.0, 0))
            await asyncio.sleep(0.05)
        except (OSError, asyncio.IncompleteReadError):
            samples.append((began, time.monotonic(), LOST, 0, 0.0, 0))


async def ask_all(port: int, connections: int, pause: float) -> list[Sample]:
    """Ask over all connections until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    samples: list[Sample] = []
    await asyncio.gather(*(keep_asking(port, pause, stop, samples) for _ in range(connections)))
    return samples


if __name__ == "__main__":
    _, port, connections, pause, out = sys.argv
    samples = asyncio.run(ask_all(int(port), int(connections), float(pause)))
    Path(out).write_text("".join(f"{' '.join(map(repr, sample))}\n" for sample in samples))
