"""Learners: whatever can be fitted on some rows and asked for all, the networks among them.

Each has a few settings of which one is chosen inside the folds, so that tuned baselines
are as honest as the network that is held against them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from threadpoolctl import threadpool_limits

from training.architectures import Architecture
from training.dataset import Dataset
from training.fit import fit
from training.folds import LARGE, VERY_LARGE, Masks

Settings = NDArray[np.intp]  # [f]: which setting a fold uses

LEAST_SQUARES = "least squares"
BOOSTING = "gradient boosting"


class Learner(Protocol):
    """A method of prediction with `settings` variants to choose among."""

    @property
    def name(self) -> str:
        """What it is called in the comparison."""

    @property
    def settings(self) -> int:
        """How many variants there are; 1 when there is nothing to choose."""

    @property
    def inner(self) -> bool:
        """Whether it is fitted on inner folds: to choose a setting, or to measure an interval."""

    def predict(self, data: Dataset, masks: Masks, chosen: Settings, /) -> NDArray[np.float64]:
        """Fit on the rows of each mask with its chosen setting; answer all rows: [f, n]."""


@dataclass(frozen=True)
class Networks:
    """The networks of an architecture; their settings are its recipe's weight decays."""

    architecture: Architecture
    seed: int
    inner: bool = True

    @property
    def name(self) -> str:
        """The architecture's name."""
        return self.architecture.name

    @property
    def settings(self) -> int:
        """The number of weight decays to choose among."""
        return len(self.architecture.recipe.weight_decays)

    def decays(self, chosen: Settings) -> NDArray[np.float64]:
        """The weight decay of each fold: float64 [f]."""
        return np.asarray(self.architecture.recipe.weight_decays)[chosen]

    def predict(self, data: Dataset, masks: Masks, chosen: Settings) -> NDArray[np.float64]:
        """All folds in one stacked fit."""
        return fit(self.architecture, data, masks, self.decays(chosen), self.seed).predictions


@dataclass(frozen=True)
class Baseline:
    """A regressor of scikit-learn: one maker a setting."""

    name: str
    makers: tuple[Callable[[], Any], ...]
    inner: bool = True

    @property
    def settings(self) -> int:
        """The number of makers."""
        return len(self.makers)

    def predict(self, data: Dataset, masks: Masks, chosen: Settings) -> NDArray[np.float64]:
        """One fit after another, on a standardised target; of a small table on one thread."""
        with threadpool_limits(1 if len(data) < LARGE else None):
            return np.stack(
                [
                    _answers(self.makers[setting](), data, mask)
                    for mask, setting in zip(masks, chosen, strict=True)
                ]
            )


def _answers(regressor: Any, data: Dataset, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    seen = data.target[mask]
    mean, scale = seen.mean(), seen.std() or 1.0
    answers = regressor.fit(data.rows[mask], (seen - mean) / scale).predict(data.rows)
    return np.asarray(answers * scale + mean)


def usual_baselines() -> tuple[Learner, ...]:
    """What anyone would try first; cheap enough to stand beside every training."""
    return (
        Baseline("median", (lambda: DummyRegressor(strategy="median"),)),
        Baseline(LEAST_SQUARES, (LinearRegression,)),
        Baseline(BOOSTING, (lambda: HistGradientBoostingRegressor(random_state=0),), inner=False),
    )


def more_baselines(rows: int) -> tuple[Learner, ...]:
    """What takes longer, where the rows allow it.

    Support vector regression grows with the square of the rows, a forest takes minutes for very
    many.
    """
    forest = Baseline(
        "random forest", (lambda: RandomForestRegressor(100, random_state=0),), inner=False
    )
    vectors = Baseline(
        "support vectors",
        tuple(_support_vectors(c, gamma) for c in (0.5, 5, 50) for gamma in (0.1, 0.3, 1)),
    )
    return ((forest,) if rows < VERY_LARGE else ()) + ((vectors,) if rows < LARGE else ())


def _support_vectors(c: float, gamma: float) -> Callable[[], Any]:
    return lambda: make_pipeline(StandardScaler(), SVR(C=c, gamma=gamma, epsilon=0.05))
