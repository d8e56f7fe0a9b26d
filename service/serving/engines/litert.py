"""The LiteRT engine: runs the twin. The only file that imports LiteRT."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from service.serving.engines import Columns, Rows, width_of

IDLE = 16  # interpreters kept for the next call; each costs 0.3 MB and 0.2 ms to make
BLOCK = 4096  # rows an invocation: larger ones gain nothing and would keep their memory


class LiteRT:
    """A free list of interpreters of one twin.

    An interpreter shared by two threads answers wrongly without an error, so each call
    takes one for itself: an idle one, or a new one when all are busy. More than IDLE are
    never kept.
    """

    name = "litert"

    def __init__(self, twin: bytes, outputs: Sequence[str]) -> None:
        self._twin = twin
        self._outputs = outputs
        first = _Lane(twin, outputs)
        self.width = first.width
        self._idle: deque[_Lane] = deque([first], maxlen=IDLE)

    def predict(self, rows: Rows) -> Columns:
        """Answer float32 [n, k] rows; an interpreter that raises is not used again."""
        try:
            lane = self._idle.pop()
        except IndexError:
            lane = _Lane(self._twin, self._outputs)
        if len(rows) <= BLOCK:
            columns = lane.predict(rows)
        else:
            blocks = [lane.predict(rows[i : i + BLOCK]) for i in range(0, len(rows), BLOCK)]
            columns = tuple(np.concatenate(parts) for parts in zip(*blocks, strict=True))
        self._idle.append(lane)
        return columns


class _Lane:
    """One interpreter and the row count it is allocated for."""

    def __init__(self, twin: bytes, outputs: Sequence[str]) -> None:
        self._interpreter = Interpreter(model_content=twin, num_threads=1)
        # Inputs and outputs are found through the signature: their order is not the names'.
        # The runner is let go again, for while one is alive the interpreter cannot be resized.
        runner = self._interpreter.get_signature_runner("features")
        features = runner.get_input_details()["features"]
        self._input = features["index"]
        self.width = width_of(features["shape_signature"])
        found = runner.get_output_details()
        self._outputs = [found[name]["index"] for name in outputs]
        del runner
        self._rows = 0  # that it is allocated for

    def predict(self, rows: Rows) -> Columns:
        interpreter = self._interpreter
        if len(rows) != self._rows:
            self._rows = 0  # should it fail
            interpreter.resize_tensor_input(self._input, rows.shape)
            interpreter.allocate_tensors()
            self._rows = len(rows)
        interpreter.set_tensor(self._input, rows)
        interpreter.invoke()
        return tuple(map(interpreter.get_tensor, self._outputs))
