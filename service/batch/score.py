"""The scoring: each chunk is checked as a whole, predicted as a whole and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.batch.tables import Chunk, Reader, Rejected, Writer, as_numbers, as_text, is_text
from service.codecs.faults import shortened
from service.codecs.grams import GRAM, right
from service.errors import Fault
from service.serving.dataplane import ANSWERS, Prediction, predict
from service.serving.loaded import Loaded

Report = Callable[[float, int], None]  # share of the file, rows scored


class Rejects(Protocol):
    """Where bad rows go."""

    def add(self, rejected: Sequence[Rejected]) -> None:
        """Write rows with their reasons."""


@dataclass(frozen=True)
class Plan:
    """What is scored with what: `columns` maps an input to the file's name for it."""

    source: Loaded
    columns: Mapping[str, str]
    keep: Sequence[str]
    prefix: str = ""


def score(plan: Plan, reader: Reader, writer: Writer, rejects: Rejects, report: Report) -> int:
    """Score every row that is right; returns how many those were."""
    scored = 0
    for chunk in reader.chunks():
        fine, numbers = _checked(plan, chunk)
        rejected = chunk.broken
        if not fine.all():
            rejected = [*rejected, *_reasons(plan, chunk.where(~fine))]
            chunk = chunk.where(fine)  # noqa: PLW2901  the bad rows are out
            numbers = [column[fine] for column in numbers]
        if rejected:
            rejects.add(sorted(rejected, key=lambda each: each.number))
        answer = _predict(plan.source, numbers)
        kept = {name: chunk.columns[name] for name in plan.keep}
        writer.write(kept, {plan.prefix + name: getattr(answer, name) for name in ANSWERS})
        scored += len(answer.calories)
        report(reader.done, scored)
    return scored


def _checked(plan: Plan, chunk: Chunk) -> tuple[NDArray[np.bool_], list[NDArray[Any]]]:
    """Which rows hold grams in all inputs, and the numbers."""
    numbers = [as_numbers(chunk.columns[plan.columns[name]]) for name in plan.source.inputs]
    return np.logical_and.reduce([right(column) for column in numbers]), numbers


def _predict(source: Loaded, numbers: Sequence[NDArray[Any]]) -> Prediction:
    rows = np.empty((len(numbers[0]), len(numbers)), np.float32)
    for place, column in enumerate(numbers):
        rows[:, place] = column
    if len(rows):
        return predict(source, rows)
    none = np.empty(0, np.float32)
    return Prediction(source, rows, none, none, none, np.empty(0, np.bool_))


def _reasons(plan: Plan, wrong: Chunk) -> list[Rejected]:
    """Why each of these rows is wrong: every input's fault."""
    texts = {name: as_text(name, column) for name, column in wrong.columns.items()}
    reasons: list[list[str]] = [[] for _ in wrong.numbers]
    for name in plan.source.inputs:
        header = plan.columns[name]
        empty = "nothing" if is_text(wrong.columns[header]) else "null"
        for place in np.flatnonzero(~right(as_numbers(wrong.columns[header]))):
            received = shortened(texts[header][int(place)]) or empty
            reasons[place].append(str(Fault(header, GRAM, received)))
    cells = list(zip(*texts.values(), strict=True))
    return [
        Rejected(number, "; ".join(why), row)
        for number, why, row in zip(wrong.numbers, reasons, cells, strict=True)
    ]
