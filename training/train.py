"""The training job as one pure call: a frozen config in, a fitted and measured model out."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
import tensorflow as tf

from models.manifest import Evaluation, Interval
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
from training.folds import definitions
from training.learners import Networks, more_baselines, usual_baselines
from training.validate import Validated, choose, validate, validated


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

    `validated` is by definition of folds, of which the first leads; `weight_decay` is the one that
    was chosen for the fit on all rows.
    """

    config: Config
    architecture: Architecture
    data: Dataset
    fit: Fit
    model: keras.Model
    validated: Sequence[Validated]
    weight_decay: float
    evaluation: Evaluation
    interval: Interval
    calibration: tuple[intervals.Coverage, ...]


def train(config: Config, watch: Watch = lambda _: None) -> Trained:
    """Read the data, fit and measure; raises DataError."""
    architecture, data = prepare(config)
    return train_on(data, architecture, config, watch)


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
    """Train every architecture; those of the same inputs are compared with all others as well."""
    architectures, data = contestants(config)
    folds = definitions(data.rows, data.inputs)
    trained = [train_on(data.of(each.inputs), each, config) for each in architectures]
    baselines = (*usual_baselines(), *more_baselines(len(data)))
    everyone: list[evaluate.ByDefinition] = [validate(each, data, folds) for each in baselines]
    for each in trained:
        alike = each.data.inputs == data.inputs
        networks = Networks(each.architecture, config.seed)
        everyone.append(each.validated if alike else validate(networks, each.data, folds))
    return tuple(
        _beside(each, everyone) if each.data.inputs == data.inputs else each for each in trained
    )


def contestants(config: Config) -> tuple[Sequence[Architecture], Dataset]:
    """The introduction's architectures where the table has their inputs; else two for any table."""
    chosen, data = prepare(config)
    if {*SUGAR_FIBER_PROTEIN} <= {*data.inputs}:
        return [*ARCHITECTURES.values()], data
    return [replace(ARCHITECTURES["linear"], inputs=data.inputs), chosen], data


def train_on(
    data: Dataset, architecture: Architecture, config: Config, watch: Watch = lambda _: None
) -> Trained:
    """Choose the settings, fit each fold and all rows, and measure beside the usual baselines."""
    folds = definitions(data.rows, data.inputs)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.seed)
    networks = Networks(architecture, config.seed)
    started = time.perf_counter()
    choices = choose(networks, data, folds)
    settings = np.concatenate([each.settings for each in choices])
    decays = networks.decays(np.append(settings, choices[0].final))
    masks = np.vstack([*(each.outer for each in folds), np.ones((1, len(data)), bool)])
    fitted = fit(architecture, data, masks, decays, config.seed, watch)
    seconds = time.perf_counter() - started
    ours = validated(architecture.name, choices, fitted.predictions[:-1], seconds)
    rivals = [validate(each, data, folds) for each in usual_baselines()]
    lead, coverage = ours[0], config.coverage
    return Trained(
        config=config,
        architecture=architecture,
        data=data,
        fit=fitted,
        model=with_weights(architecture, fitted.networks[-1], *fitted.outliers[-1:]),
        validated=ours,
        weight_decay=float(decays[-1]),
        evaluation=evaluate.evaluation(ours, rivals, data, coverage),
        interval=Interval(
            coverage=coverage,
            method="conformal quantile of the held-out absolute residuals, constant",
            half_width=intervals.half_width(lead, data.target, coverage),
            observed=intervals.measured(lead, data.target, coverage).observed,
        ),
        calibration=intervals.calibration(lead, data.target),
    )


def _beside(trained: Trained, everyone: Sequence[evaluate.ByDefinition]) -> Trained:
    lines = evaluate.compare(
        everyone, trained.data.target, trained.config.coverage, trained.architecture.name
    )
    return replace(trained, evaluation=trained.evaluation.model_copy(update={"comparison": lines}))
