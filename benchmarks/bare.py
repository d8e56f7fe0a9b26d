"""python -m benchmarks.bare PORT constant|libraries: uvloop and httptools with nothing above them.

`constant` answers the same bytes to every request: below it no server in Python can go.
`libraries` predicts with the libraries alone, in line: pydantic reads the row, NumPy makes the
array, LiteRT infers, orjson writes. No id, no key, no metrics, no limits.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated, cast

import httptools
import numpy as np
import orjson
import uvloop
from ai_edge_litert.interpreter import Interpreter
from pydantic import ConfigDict, Field, TypeAdapter
from typing_extensions import TypedDict

from benchmarks.bodies import VERSION
from benchmarks.subjects import answer as constant_answer

Answer = Callable[[bytes], bytes]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
OUTPUTS = ("calories", "lower", "upper")
Gram = Annotated[float, Field(strict=True, ge=0, le=1000, allow_inf_nan=False)]


class Row(TypedDict):
    """One row, as strictly as the service takes it."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    sugar: Gram
    fiber: Gram
    protein: Gram


class Connection(asyncio.Protocol):
    """Parses requests and writes what `answer` makes of their bodies."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        body, self._body = self._body, b""
        answer = self._answer(body)
        if self._transport:
            self._transport.write(HEAD % len(answer) + answer)


def libraries() -> Answer:
    """A prediction of one row by the libraries alone, from JSON to JSON."""
    validate = TypeAdapter(Row).validate_json
    interpreter = Interpreter(model_content=(VERSION / "model.tflite").read_bytes(), num_threads=1)
    runner = interpreter.get_signature_runner("features")
    taken = runner.get_input_details()["features"]["index"]
    given = [runner.get_output_details()[name]["index"] for name in OUTPUTS]
    del runner
    interpreter.resize_tensor_input(taken, (1, len(Row.__annotations__)))
    interpreter.allocate_tensors()

    def answer(body: bytes) -> bytes:
        row = validate(body)
        rows = np.array([[row["sugar"], row["fiber"], row["protein"]]], np.float32)
        interpreter.set_tensor(taken, rows)
        interpreter.invoke()
        calories, lower, upper = [interpreter.get_tensor(index)[0] for index in given]
        told = {"calories": calories, "lower": lower, "upper": upper, "in_range": True}
        told |= {"model": "calories", "version": 1}
        return orjson.dumps(told, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)

    return answer


async def serve(port: int, answer: Answer) -> None:
    """Answer on loopback until the process ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Connection, answer), "127.0.0.1", port)
    await server.serve_forever()


def main() -> None:
    """Serve what the arguments ask for."""
    port, kind = sys.argv[1:]
    said = constant_answer().encode()
    uvloop.run(serve(int(port), libraries() if kind == "libraries" else lambda _: said))


if __name__ == "__main__":
    main()
