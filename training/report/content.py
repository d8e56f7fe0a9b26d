"""What a report shows, as data: the model, what it was fitted on and what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from models.manifest import Compared, Manifest, Quantity
from training.architectures import Network
from training.dataset import Dataset
from training.fit import Progress
from training.train import Trained

Floats = NDArray[np.float64]
Predict = Callable[[Floats], Floats]

SHOWN = 500  # rows, so that a page stays small however many there are


@dataclass(frozen=True)
class Content:
    """Everything the pictures are drawn from. Names, units and scores are the manifest's.

    `predict` takes float64 [n, k] and answers float64 [n]. `networks` are the final members, of a
    model that is a stack of layers. `tested` are the rows that were held out, int [h], and
    `predicted` the answers of folds that did not see them, float64 [h]. `calibration` is pairs of
    nominal and observed coverage.
    """

    manifest: Manifest
    data: Dataset
    predict: Predict
    networks: Sequence[Network] = ()
    tested: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    predicted: Floats = field(default_factory=lambda: np.empty(0))
    history: Sequence[Progress] = ()
    calibration: Sequence[tuple[float, float]] = ()

    @property
    def half_width(self) -> float | None:
        """What the interval adds to either side, if the version has one."""
        interval = self.manifest.interval
        return interval.half_width if interval else None

    @property
    def truth(self) -> Floats:
        """What was measured of the rows that were held out: float64 [h]."""
        return np.asarray(self.data.target[self.tested])

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Whether a truth lies in its held-out interval: bool [h]; all do, where there is none."""
        width = np.inf if self.half_width is None else self.half_width
        return np.asarray(np.abs(self.predicted - self.truth) <= width)

    @property
    def medians(self) -> Floats:
        """The median of every input, float64 [k]."""
        return np.asarray(np.median(self.data.rows, axis=0))

    @property
    def sample(self) -> NDArray[np.intp]:
        """The rows that are drawn: all of them, or SHOWN evenly chosen ones of more."""
        return evenly(len(self.data))

    @property
    def shown(self) -> Floats:
        """Their inputs, float64 [s, k]."""
        return np.asarray(self.data.rows[self.sample])

    @property
    def comparison(self) -> Sequence[Compared]:
        """The lines of the comparison, worst first."""
        return self.manifest.evaluation.comparison if self.manifest.evaluation else ()

    @property
    def rectified(self) -> bool:
        """Whether there are hidden layers of ReLU units."""
        made = self.manifest.architecture
        return (
            made is not None
            and bool(made.hidden)
            and bool(self.networks)
            and made.activation == "relu"
        )

    def name(self, place: int) -> str:
        """What a held-out row is called, as one reads it."""
        return str(self.data.names[self.tested[place]]).replace("_", " ")

    def label(self, index: int) -> str:
        """An input with its unit."""
        return label(self.manifest.inputs[index])

    def within(self, rows: Floats) -> Floats:
        """The rows [n, k] with each value where the service accepts it."""
        low, high = np.array(self.manifest.accepted).T
        return np.asarray(np.clip(rows, low, high))


def label(quantity: Quantity) -> str:
    """A quantity with its unit, if it has one."""
    return f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name


def evenly(rows: int) -> NDArray[np.intp]:
    """All of so many, or SHOWN of them."""
    return np.linspace(0, rows - 1, min(rows, SHOWN)).astype(np.intp)


def content_of(trained: Trained, manifest: Manifest) -> Content:
    """The content of a fresh training's report."""
    lead = trained.validated[0]
    return Content(
        manifest=manifest,
        data=trained.data,
        predict=lambda rows: np.asarray(trained.model(rows.astype(np.float32)), np.float64)[:, 0],
        networks=trained.fit.networks[-1],
        tested=lead.folds.tested,
        predicted=np.asarray(lead.held_out.mean(axis=0)),
        history=trained.fit.history,
        calibration=[(each.nominal, each.observed) for each in trained.calibration],
    )
