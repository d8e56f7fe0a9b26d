"""The training job as one pure call: a frozen config in, a fitted and measured model out."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from models.manifest import Compared, Evaluation, Interval
from training import evaluate, intervals
from training.architectures import (
    ARCHITECTURES,
    SUGAR_FIBER_PROTEIN,
    Architecture,
    of_size,
    with_weights,
)
from training.card import Changes, find
from training.dataset import UNCHANGED, Dataset, load
from training.fit import Fit, Watch, fit
from training.folds import scheme_for
from training.learners import Learner, Networks, baselines, simple_baselines
from training.validate import Validated, choose, validate


@dataclass(frozen=True)
class Config:
    """Everything that decides the outcome of a training.

    Without an architecture it is the card's, or one of the table's size. `hidden` and
    `activation` take the place of the architecture's own.
    """

    architecture: Architecture | None = None
    data: str = "cereals"
    changes: Changes = UNCHANGED
    hidden: tuple[int, ...] = ()
    activation: str = ""
    seed: int = 0
    coverage: float = 0.9


@dataclass(frozen=True)
class Trained:
    """A fitted model with what was measured of it, not yet published.

    `weight_decay` is the one that was chosen for the fit on all rows.
    """

    config: Config
    architecture: Architecture
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
    architecture, data = prepare(config)
    return train_on(data, architecture, config, simple_baselines(), watch)


def prepare(config: Config) -> tuple[Architecture, Dataset]:
    """The rows, and the architecture that is to be fitted to them; raises DataError."""
    chosen = config.architecture or ARCHITECTURES.get(find(config.data).card.architecture)
    data = load(config.data, chosen.inputs if chosen else (), config.changes)
    architecture = chosen or of_size(len(data))
    return replace(
        architecture,
        inputs=data.inputs,
        hidden=config.hidden or architecture.hidden,
        activation=config.activation or architecture.activation,
    ), data


def train_all(config: Config) -> tuple[Trained, ...]:
    """Train every architecture; each is compared with all others and with every baseline."""
    architectures, data = contestants(config)
    scheme = scheme_for(len(data))
    others = [validate(each, data, scheme) for each in baselines(len(data))]
    trained = [
        train_on(data.of(each.inputs), each, config, simple_baselines()) for each in architectures
    ]
    lines = evaluate.compare(
        [*others, *(each.validated for each in trained)], data.target, config.coverage
    )
    return tuple(_with_comparison(each, lines) for each in trained)


def contestants(config: Config) -> tuple[Sequence[Architecture], Dataset]:
    """The introduction's architectures where the table has their inputs; else two for any table."""
    chosen, data = prepare(config)
    if {*SUGAR_FIBER_PROTEIN} <= {*data.inputs}:
        return [*ARCHITECTURES.values()], data
    return [replace(ARCHITECTURES["linear"], inputs=data.inputs), chosen], data


def train_on(
    data: Dataset,
    architecture: Architecture,
    config: Config,
    rivals: Iterable[Learner],
    watch: Watch = lambda _: None,
) -> Trained:
    """Choose the settings, fit each fold and all rows, and measure beside the rivals."""
    truth = data.target
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
        architecture=architecture,
        data=data,
        fit=fitted,
        model=with_weights(architecture, fitted.networks[-1], *fitted.outliers[-1:]),
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
