"""The cereals, and trainings that take no time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.architectures import Architecture, Standardisation, fold, initial, with_weights
from training.dataset import Dataset, load
from training.fit import Fit, Progress, Watch
from training.learners import usual_baselines

INPUTS = ("sugar", "fiber", "protein")


@pytest.fixture(scope="session")
def cereals() -> Dataset:
    return load("cereals", INPUTS)


def unfitted(
    architecture: Architecture,
    data: Dataset,
    masks: NDArray[np.bool_],
    weight_decays: NDArray[np.float64],
    seed: int,
    watch: Watch = lambda _: None,
) -> Fit:
    """What `fit` gives, without a step and the same in every fold.

    A linear unit is least squares, other networks have their first weights.
    """
    rng = np.random.default_rng(seed)
    inputs = Standardisation(data.rows.mean(axis=0), data.rows.std(axis=0) + 1e-9)
    output = Standardisation(data.target.mean(), data.target.std())
    first = [initial(architecture, rng) for _ in range(architecture.members)]
    if not architecture.hidden:
        rows = (data.rows - inputs.mean) / inputs.scale
        goal = (data.target - output.mean) / output.scale
        slopes = np.asarray(np.linalg.lstsq(rows, goal)[0], np.float64)
        first = [[(slopes[:, None], np.zeros(1))]]
    networks = [fold(each, inputs, output) for each in first]
    model = with_weights(architecture, networks)
    answers = np.asarray(model(data.rows.astype(np.float32)), np.float64)[:, 0]
    history = tuple(Progress(step, 2, 20.0, 21.0) for step in (1, 2))
    return Fit([networks] * len(masks), np.tile(answers, (len(masks), 1)), history)


def skip_fits(patch: pytest.MonkeyPatch) -> None:
    for module in ("train", "learners"):
        patch.setattr(f"training.{module}.fit", unfitted)
    median_and_least_squares = usual_baselines()[:2]
    patch.setattr("training.train.usual_baselines", lambda: median_and_least_squares)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is fitted; all else of a training is as it is."""
    skip_fits(monkeypatch)
