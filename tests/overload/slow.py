"""python -m tests.overload.slow PORT COUNT KIND: clients at a byte a second, until SIGTERM.

KIND is `headers`, `body` or `reading`. One that is cut off comes again. They come from an
address of their own, for the service bounds how many connections one has. Prints "ready" when all
have been connected once.
"""

import asyncio
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator

from tests.overload.load import request

ADDRESS = "127.0.0.2"
LARGE = request("/predict", 20_000)  # what is read slowly must be more than the kernel holds

SENT_AT_ONCE = {
    "headers": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    "body": b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100000\r\n\r\n",
    "reading": LARGE,
}


async def connect(port: int) -> socket.socket:
    """A connection with a small window, from the slow clients' address."""
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.bind((ADDRESS, 0))
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def bytes_of(connection: socket.socket, kind: str) -> AsyncIterator[None]:
    """Send or read a byte a second; ends when the other side has closed."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, SENT_AT_ONCE[kind])
    while True:
        yield
        await asyncio.sleep(1)
        if kind != "reading":
            await loop.sock_sendall(connection, b" ")
        elif not await loop.sock_recv(connection, 1):
            return


async def crawl(port: int, kind: str, ready: asyncio.Semaphore) -> None:
    """One slow client."""
    first = True
    while True:
        await asyncio.sleep(random.random())  # noqa: S311  so that they do not move in step
        try:
            with await connect(port) as connection:
                async for _ in bytes_of(connection, kind):
                    if first:
                        ready.release()
                        first = False
        except OSError:
            continue


async def crawl_all(port: int, count: int, kind: str) -> None:
    """All slow clients, until SIGTERM."""
    ready = asyncio.Semaphore(0)
    clients = [asyncio.create_task(crawl(port, kind, ready)) for _ in range(count)]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    for _ in range(count):
        await ready.acquire()
    print("ready", flush=True)
    await stop.wait()
    for client in clients:
        client.cancel()


if __name__ == "__main__":
    asyncio.run(crawl_all(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
