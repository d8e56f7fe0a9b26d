"""python -m tests.overload.slow PORT: a thousand clients at a byte a second.

They stay until SIGTERM; one that is cut off comes again. They come from an address of their own,
for the service bounds how many connections one has. Prints "ready" when all have been connected
once.
"""

import asyncio
import random
import signal
import socket
import sys
from contextlib import suppress

from tests.servers import columns, request

ADDRESS = "127.0.0.2"
COUNTS = {"headers": 490, "body": 490, "reading": 20}
SENT_AT_ONCE = {
    "headers": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "body": request(bytes(100_000))[:-100_000],
    "reading": request(columns(20_000)),  # what is read slowly is more than the kernel holds
}


async def crawl(port: int, kind: str, ready: asyncio.Semaphore) -> None:
    """One slow client, with a small window."""
    loop, first = asyncio.get_running_loop(), True
    while True:
        await asyncio.sleep(random.random())  # noqa: S311  so that they do not move in step
        with suppress(OSError), socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.bind((ADDRESS, 0))
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, SENT_AT_ONCE[kind])
            if first:
                ready.release()
                first = False
            # It is cut off when there is nothing to read.
            while kind != "reading" or await loop.sock_recv(client, 1):
                await asyncio.sleep(1)
                if kind != "reading":
                    await loop.sock_sendall(client, b" ")


async def crawl_all(port: int) -> None:
    """All slow clients, until SIGTERM."""
    ready, stop = asyncio.Semaphore(0), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    kinds = [kind for kind, count in COUNTS.items() for _ in range(count)]
    clients = [asyncio.create_task(crawl(port, kind, ready)) for kind in kinds]
    for _ in clients:
        await ready.acquire()
    print("ready", flush=True)
    await stop.wait()
    for client in clients:
        client.cancel()


if __name__ == "__main__":
    asyncio.run(crawl_all(int(sys.argv[1])))
