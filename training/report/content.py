"""What a report shows, as data: the trained model, what it was fitted on and what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.manifest import Compared, Evaluation
from training.architectures import Architecture, Network
from training.dataset import Dataset
from training.fit import Progress
from training.train import Trained

Floats = NDArray[np.float64]
Predict = Callable[[Floats], tuple[Floats, Floats, Floats]]

SHOWN = 500  # rows, so that a page stays small however many there are


@dataclass(frozen=True)
class Content:
    """Everything the pictures are drawn from.

    `networks` are the final members, in grams and kcal. `predict` takes float64 [n, k] and
    gives calories, lower and upper, float64 [n] each. `held_out` is float64 [repeats, n], the
    predictions by folds that did not see the row; `half_widths` float64 [n] in kcal goes
    around them. `calibration` is pairs of nominal and observed coverage.
    """

    model: str
    architecture: Architecture
    data: Dataset
    networks: Sequence[Network]
    predict: Predict
    held_out: Floats
    half_widths: Floats
    coverage: float
    history: Sequence[Progress]
    evaluation: Evaluation
    comparison: Sequence[Compared] = ()
    calibration: Sequence[tuple[float, float]] = ()

    @property
    def predicted(self) -> Floats:
        """Each row's held-out prediction, the mean over the repeats: float64 [n] kcal."""
        return np.asarray(self.held_out.mean(axis=0))

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether a row's truth lies in its held-out interval: bool [n]."""
        return np.asarray(np.abs(self.predicted - self.data.target) <= self.half_widths)

    @property
    def medians(self) -> Floats:
        """The median of every input, float64 [k] in grams."""
        return np.asarray(np.median(self.data.rows, axis=0))

    @property
    def sample(self) -> NDArray[np.int64]:
        """The rows that are drawn: all of them, or SHOWN evenly chosen ones of more."""
        rows = len(self.data)
        return np.linspace(0, rows - 1, min(rows, SHOWN)).astype(np.int64)

    def name(self, row: int) -> str:
        """What a row is called, as one reads it."""
        return self.data.names[row].replace("_", " ")

    @property
    def rectified(self) -> bool:
        """Whether there are hidden layers of ReLU units."""
        return bool(self.architecture.hidden) and self.architecture.activation == "relu"


def content_of(trained: Trained, model: str) -> Content:
    """The content of a fresh training's report."""
    data, half_width = trained.data, trained.interval.half_width

    def predict(rows: Floats) -> tuple[Floats, Floats, Floats]:
        calories = np.asarray(trained.model(rows.astype(np.float32)), np.float64)[:, 0]
        return calories, calories - half_width, calories + half_width

    return Content(
        model=model,
        architecture=trained.architecture,
        data=data,
        networks=trained.fit.networks[-1],
        predict=predict,
        held_out=trained.validated.held_out,
        half_widths=np.full(len(data), half_width),
        coverage=trained.interval.coverage,
        history=trained.fit.history,
        evaluation=trained.evaluation,
        comparison=trained.evaluation.comparison,
        calibration=[(each.nominal, each.observed) for each in trained.calibration],
    )
