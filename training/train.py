"""The training job as one pure call: a frozen config in, a fitted and measured model out."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import keras
import numpy as np
import tensorflow as tf

from models.manifest import Compared, Evaluation, Interval
from training import evaluate, intervals
from training.architectures import ARCHITECTURES, Architecture, with_weights
from training.dataset import Dataset, load
from training.fit import Fit, Watch, fit
from training.folds import scheme_for
from training.learners import Learner, Networks, baselines, simple_baselines
from training.validate import Validated, choose, validate


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
    """A fitted model with what was measured of it, not yet published.

    `weight_decay` is the one that was chosen for the fit on all rows.
    """

    config: Config
    data: Dataset
    fit: Fit
    model: keras.Model
    validated: Validated
    weight_decay: float
    evaluation: Evaluation
    interval: Interval
    calibration: tuple[intervals.Coverage, ...]


def train(config: Config, watch: Watch = lambda _: None) -> Trained:
    """Read the data, fit and measure; raises DataError."""
    data = load(config.data, config.architecture.inputs, config.target, config.columns)
    return train_on(data, config, simple_baselines(), watch)


def train_all(config: Config) -> tuple[Trained, ...]:
    """Train every architecture; each is compared with all others and with every baseline."""
    widest = max((each.inputs for each in ARCHITECTURES.values()), key=len)
    data = load(config.data, widest, config.target, config.columns)
    scheme = scheme_for(len(data))
    others = [validate(each, data, scheme) for each in baselines(len(data))]
    trained = [
        train_on(data.of(each.inputs), replace(config, architecture=each), simple_baselines())
        for each in ARCHITECTURES.values()
    ]
    lines = evaluate.compare(
        [*others, *(each.validated for each in trained)], data.calories, config.coverage
    )
    return tuple(_with_comparison(each, lines) for each in trained)


def train_on(
    data: Dataset,
    config: Config,
    rivals: Iterable[Learner],
    watch: Watch = lambda _: None,
) -> Trained:
    """Choose the settings, fit each fold and all rows, and measure beside the rivals."""
    architecture, truth = config.architecture, data.calories
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    scheme, networks = scheme_for(len(data)), Networks(architecture, config.seed)
    started = time.perf_counter()
    choice = choose(networks, data, scheme)
    decays = networks.decays(np.append(choice.settings, choice.final))
    masks = np.vstack([choice.outer, np.ones((1, len(data)), bool)])
    fitted = fit(architecture, data, masks, decays, config.seed, watch)
    seconds = time.perf_counter() - started
    validated = Validated(architecture.name, choice, fitted.predictions[:-1], seconds)
    others = [validate(each, data, scheme) for each in rivals]
    return Trained(
        config=config,
        data=data,
        fit=fitted,
        model=with_weights(architecture, fitted.networks[-1]),
        validated=validated,
        weight_decay=float(decays[-1]),
        evaluation=Evaluation(
            folds=str(scheme),
            model=evaluate.score(validated.held_out, truth),
            baselines={each.name: evaluate.score(each.held_out, truth) for each in others},
            comparison=evaluate.compare([validated, *others], truth, config.coverage),
        ),
        interval=Interval(
            coverage=config.coverage,
            method="conformal quantile of the held-out absolute residuals, constant",
            half_width=intervals.half_width(validated, truth, config.coverage),
            observed=intervals.measured(validated, truth, config.coverage).observed,
        ),
        calibration=intervals.calibration(validated, truth),
    )


def _with_comparison(trained: Trained, lines: tuple[Compared, ...]) -> Trained:
    evaluation = trained.evaluation.model_copy(update={"comparison": lines})
    return replace(trained, evaluation=evaluation)
