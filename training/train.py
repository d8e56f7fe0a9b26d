"""The training job as one pure call: a frozen config in, a fitted and measured model out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from models.manifest import Evaluation, Interval
from training import evaluate
from training.architectures import ARCHITECTURES, Architecture, with_weights
from training.dataset import Dataset, load
from training.fit import Fit, Watch, fit


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome of a training."""

    architecture: Architecture = ARCHITECTURES["ensemble"]
    data: str = "cereals"
    target: str = "calories"
    columns: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    coverage: float = 0.9


@dataclass(frozen=True)
class Trained:
    """A fitted model with what was measured of it, not yet published."""

    config: Config
    data: Dataset
    fit: Fit
    model: keras.Model
    evaluation: Evaluation
    interval: Interval


def train(config: Config, watch: Watch = lambda _: None) -> Trained:
    """Fit on all rows and, for the scores, once for each fold; raises DataError."""
    architecture = config.architecture
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    data = load(config.data, architecture.inputs, config.target, config.columns)
    masks = evaluate.folds(len(data))
    everything = np.ones((1, len(data)), bool)
    fitted = fit(architecture, data, np.vstack([masks, everything]), config.seed, watch)
    predicted = evaluate.held_out(fitted.predictions[:-1], masks)
    return Trained(
        config=config,
        data=data,
        fit=fitted,
        model=with_weights(architecture, fitted.networks[-1]),
        evaluation=Evaluation(
            folds=evaluate.FOLDS,
            model=evaluate.score(predicted, data.calories),
            baselines=evaluate.baselines(data, masks),
        ),
        interval=Interval(
            coverage=config.coverage,
            method="conformal quantile of the held-out absolute residuals, constant",
            half_width=evaluate.half_width(predicted, data.calories, config.coverage),
        ),
    )
