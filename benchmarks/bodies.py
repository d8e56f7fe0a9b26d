"""What is sent, and what must come back: the same rows in every form."""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.registry import SHELF

INPUTS = ("sugar", "fiber", "protein")
TOLERANCE = 0.01  # kcal
VERSION = SHELF / "calories" / "1"

Form = Literal["row", "rows", "columns"]


@dataclass(frozen=True)
class Body:
    """One request: `count` rows in one form."""

    form: Form
    count: int

    @property
    def name(self) -> str:
        """As in `one row` or `1,000 rows as columns`."""
        return "one row" if self.form == "row" else f"{self.count:,} rows as {self.form}"

    def content(self) -> bytes:
        """The JSON that is sent."""
        values = rows(self.count).tolist()
        listed = [dict(zip(INPUTS, row, strict=True)) for row in values]
        columns = dict(zip(INPUTS, map(list, zip(*values, strict=True)), strict=True))
        documents = {"row": listed[0], "rows": listed, "columns": columns}
        return json.dumps(documents[self.form], separators=(",", ":")).encode()

    def check(self, answer: bytes) -> None:
        """Raise WrongAnswer unless the calories are those of the twin."""
        found = np.array(_calories(json.loads(answer)), np.float64)
        expected = predictions(self.count)
        if found.shape != expected.shape:
            raise WrongAnswer(f"expected {len(expected)} predictions, received {len(found)}")
        worst = float(np.abs(found - expected).max())
        if not worst <= TOLERANCE:
            raise WrongAnswer(f"calories differ from the twin's by {worst:.3g} kcal")


class WrongAnswer(Exception):
    """A subject answered something else than the model does."""


ONE = Body("row", 1)
BATCHES = tuple(Body(form, n) for n in (100, 1000) for form in ("rows", "columns"))
BULK = (Body("columns", 10_000), Body("columns", 100_000))


@cache
def rows(count: int) -> NDArray[np.float64]:
    """[count, 3] grams inside the training range, the same in every run."""
    rng = np.random.default_rng(0)
    return rng.uniform((0, 0, 1), (15, 14, 6), (count, 3)).round(1)


@cache
def predictions(count: int) -> NDArray[np.float32]:
    """The calories of `rows`, straight from the twin, float32 [count]."""
    interpreter = Interpreter(model_content=(VERSION / "model.tflite").read_bytes())
    runner = interpreter.get_signature_runner("features")
    return np.asarray(runner(features=rows(count).astype(np.float32))["calories"])


def _calories(answer: Any) -> list[float]:
    """The calories in an answer, of whichever form."""
    if "predictions" in answer:
        return [each["calories"] for each in answer["predictions"]]
    found = answer["calories"]
    return found if isinstance(found, list) else [found]
