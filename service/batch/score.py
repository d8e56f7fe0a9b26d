"""The scoring: each chunk is checked as a whole, predicted as a whole and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.batch.tables import Chunk, Reader, Rejected, Writer, as_numbers, as_text, is_text
from service.codecs.faults import shortened
from service.codecs.values import right
from service.errors import Fault, InvalidInput
from service.serving.dataplane import Prediction, predict
from service.serving.engines import Rows
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
        fine, rows = _checked(plan, chunk)
        rejected = chunk.broken
        if not fine.all():
            rejected = [*rejected, *_reasons(plan, chunk.where(~fine))]
            chunk = chunk.where(fine)  # noqa: PLW2901  the bad rows are out
        try:
            answer = answered(plan.source, rows)
        except InvalidInput:
            finite = _finite(plan.source, rows)
            rejected = [*rejected, *_unanswered(chunk.where(~finite))]
            chunk = chunk.where(finite)  # noqa: PLW2901  and so are these
            answer = answered(plan.source, rows[finite])
        if rejected:
            rejects.add(sorted(rejected, key=lambda each: each.number))
        kept = {name: chunk.columns[name] for name in plan.keep}
        writer.write(
            kept, {plan.prefix + name: column for name, column in answer.answers().items()}
        )
        scored += len(answer.rows)
        report(reader.done, scored)
    return scored


def answered(source: Loaded, rows: Rows) -> Prediction:
    """The answers to rows, also to none; raises as `predict` does."""
    if len(rows):
        return predict(source, rows)
    none = (np.empty(0, np.float32),) * len(source.outputs)
    return Prediction(source, rows, none, np.empty(0, np.bool_) if source.ranges else None)


def _checked(plan: Plan, chunk: Chunk) -> tuple[NDArray[np.bool_], Rows]:
    """Which rows hold what all inputs accept, and these, float32 [n, k]."""
    numbers = [as_numbers(chunk.columns[plan.columns[name]]) for name in plan.source.inputs]
    checked = map(right, numbers, plan.source.accepted.bounds)
    fine = np.logical_and.reduce(list(checked))
    whole = fine.all()
    rows = np.empty((np.count_nonzero(fine), len(numbers)), np.float32)
    for place, column in enumerate(numbers):
        rows[:, place] = column if whole else column[fine]
    return fine, rows


def _finite(source: Loaded, rows: Rows) -> NDArray[np.bool_]:
    """Which rows the model has a finite answer for."""
    found = [np.isfinite(column) for column in source.engine.predict(rows)]
    return np.asarray(np.logical_and.reduce(found))


def _unanswered(wrong: Chunk) -> list[Rejected]:
    texts = [as_text(name, column) for name, column in wrong.columns.items()]
    cells = zip(*texts, strict=True)
    reason = "expected values that the model has a finite answer for, received others"
    return [Rejected(number, reason, row) for number, row in zip(wrong.numbers, cells, strict=True)]


def _reasons(plan: Plan, wrong: Chunk) -> list[Rejected]:
    """Why each of these rows is wrong: every input's fault."""
    texts = {name: as_text(name, column) for name, column in wrong.columns.items()}
    reasons: list[list[str]] = [[] for _ in wrong.numbers]
    accepted = plan.source.accepted
    for name, bounds in accepted.by_name.items():
        header = plan.columns[name]
        empty = "nothing" if is_text(wrong.columns[header]) else "null"
        for place in np.flatnonzero(~right(as_numbers(wrong.columns[header]), bounds)):
            received = shortened(texts[header][int(place)]) or empty
            reasons[place].append(str(Fault(header, accepted.expected[name], received)))
    cells = list(zip(*texts.values(), strict=True))
    return [
        Rejected(number, "; ".join(why), row)
        for number, why, row in zip(wrong.numbers, reasons, cells, strict=True)
    ]
