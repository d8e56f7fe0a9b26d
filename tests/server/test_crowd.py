"""Many clients that keep their connections and ask one row at a time are all answered."""

import asyncio
from collections import Counter
from pathlib import Path

from tests.overload.load import request
from tests.servers import PATIENCE, running

CLIENTS, REQUESTS = 512, 5


async def ask(port: int, answers: Counter[int]) -> None:
    """One client: its next request comes when the last one was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for _ in range(REQUESTS):
            writer.write(request("/predict", 1))
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            answers[int(head[9:12])] += 1
    finally:
        writer.close()


async def crowd(port: int) -> Counter[int]:
    answers = Counter[int]()
    clients = [ask(port, answers) for _ in range(CLIENTS)]
    await asyncio.wait_for(asyncio.gather(*clients), PATIENCE)
    return answers


def test_512_clients_in_a_closed_loop_see_no_503(tmp_path: Path, shipped_root: Path) -> None:
    with running(tmp_path, registry=shipped_root) as server:
        assert asyncio.run(crowd(server.port)) == {200: CLIENTS * REQUESTS}
