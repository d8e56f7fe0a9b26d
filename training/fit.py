"""Fit many networks at once: one per fold and member, on a leading axis of one jitted graph.

Ten folds repeated five times and the final fit on all rows are 51 fits of the same network
on the same 76 rows with other rows left out. Trained one after another they cost minutes of
dispatch; stacked as [network, row, column] with a mask of the rows in use they are a few
batched matrix products a step, compiled once by XLA. Of a large table a step sees a batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.architectures import (
    Architecture,
    Network,
    Outliers,
    Recipe,
    Standardisation,
    fold,
    initial,
)
from training.dataset import Dataset

CHUNK = 50  # steps between two looks at the losses
SHOWN = 2000  # rows of a large table whose errors are watched
BLOCK = 4096  # rows of a large table that are answered at once
OUTLYING = 0.001
HUBER = 1.0  # standard deviations of the target beyond which an error counts linearly
ALL = Outliers(np.array(-np.inf), np.array(np.inf))
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's usual constants, as in Keras


LOSSES: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "absolute": tf.abs,
    "squared": lambda error: error * error,
    "huber": lambda error: tf.where(
        tf.abs(error) < HUBER, 0.5 * error * error, HUBER * (tf.abs(error) - 0.5 * HUBER)
    ),
}


class Seen(NamedTuple):
    """What a step sees: float32 [networks, m, k], [networks, m], and each row's share in a loss."""

    rows: tf.Tensor
    goal: tf.Tensor
    share: tf.Tensor


@dataclass(frozen=True)
class Progress:
    """Where the training stands: mean absolute errors on used and held-out rows."""

    step: int
    steps: int
    training: float
    held_out: float | None


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Fit:
    """The fitted networks, in the table's units.

    `networks[f]` holds the members of fold `f`; `predictions` is float64 [f, n], each fold's
    answer to every row; `history` is what was seen after every chunk of steps. `outliers[f]` are
    the bounds that fold `f` keeps inputs between; empty where it does not.
    """

    networks: list[list[Network]]
    predictions: NDArray[np.float64]
    history: tuple[Progress, ...]
    outliers: list[Outliers] = field(default_factory=list)


def fit(  # noqa: PLR0913, PLR0917  what decides a fit, spelled out
    architecture: Architecture,
    data: Dataset,
    masks: NDArray[np.bool_],
    weight_decays: NDArray[np.float64],
    seed: int,
    watch: Watch = lambda _: None,
) -> Fit:
    """Fit `architecture` once for each row of `masks`, bool [f, n]: True where a row is used.

    `weight_decays` is float64 [f], one for each fold. Every fold standardises with its own
    rows and starts from the same `members` draws, so folds differ by their data and decay
    alone. The same seed gives the same weights on one machine.
    """
    members, recipe = architecture.members, architecture.recipe
    outliers = [_outliers(data.rows[mask]) for mask in masks] if recipe.clip else []
    inputs, output = _standardisations(data, masks, outliers)
    rng = np.random.default_rng(seed)
    start = [initial(architecture, rng) for _ in range(members)]
    folds = _Folds(data, masks, inputs, output, outliers)
    decays = np.repeat(weight_decays, members)
    trainer: _Trainer
    if recipe.batch:
        trainer = _Batches(architecture, decays, folds, rng)
    else:
        trainer = _Full(architecture, decays, folds)
    weights = [
        tf.constant(np.tile(np.stack(arrays), (len(masks), *[1] * arrays[0].ndim)), tf.float32)
        for arrays in zip(*(_flat(network) for network in start), strict=True)
    ]
    history = []
    shown = trainer.shown
    for step, moved, outputs in trainer.run(weights):
        weights = moved
        predictions = _in_units(outputs.numpy(), output, members)
        history.append(_progress(step, recipe, predictions, data.target[shown], masks[:, shown]))
        watch(history[-1])
    if len(shown) < len(data):
        predictions = _in_units(trainer.predict(weights), output, members)
    networks = _networks(weights, inputs, output, members)
    return Fit(networks, predictions, tuple(history), outliers)


class _Folds(NamedTuple):
    """A table, the rows that each fold sees, bool [f, n], and how a fold standardises them."""

    data: Dataset
    masks: NDArray[np.bool_]
    inputs: list[Standardisation]
    output: list[Standardisation]
    outliers: list[Outliers]


class _Trainer:
    """Adam with decoupled weight decay and a cosine schedule over stacked networks.

    `shown` are the rows that `run` answers after every chunk, int64 [m].
    """

    shown: NDArray[np.int64]

    def __init__(self, architecture: Architecture, weight_decays: NDArray[np.float64]) -> None:
        self.recipe = architecture.recipe
        self.activation = keras.activations.get(architecture.activation)
        self.decay = tf.constant(weight_decays[:, None, None], tf.float32)

    def run(self, weights: list[tf.Tensor]) -> Iterator[tuple[int, list[tf.Tensor], tf.Tensor]]:
        """Yield (step, weights, outputs for `shown`) after every chunk of steps."""
        zeros = [tf.zeros_like(w) for w in weights]
        state = (weights, zeros, zeros)
        best, best_step = np.inf, 0
        for step in range(0, self.recipe.steps, CHUNK):
            state = self._chunk(*state, tf.constant(step, tf.float32), self.draw())
            outputs, loss = self.look(state[0])
            yield step + CHUNK, state[0], outputs
            if loss < best * (1 - 1e-5):
                best, best_step = float(loss), step
            elif step - best_step >= self.recipe.patience:
                return

    def draw(self) -> tf.Tensor:
        """Which rows the steps of the next chunk see, for `seen`."""
        raise NotImplementedError

    def seen(self, drawn: tf.Tensor, step: tf.Tensor) -> Seen:
        """What the step of this number within its chunk sees."""
        raise NotImplementedError

    def look(self, weights: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The outputs for `shown`, float32 [networks, m], and a loss to stop by."""
        raise NotImplementedError

    def predict(self, weights: list[tf.Tensor]) -> NDArray[np.float32]:
        """Every network's standardised answer to every row: float32 [networks, n]."""
        raise NotImplementedError

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def _chunk(
        self,
        weights: list[tf.Tensor],
        first: list[tf.Tensor],
        second: list[tf.Tensor],
        start: tf.Tensor,
        drawn: tf.Tensor,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """CHUNK steps; the loop is spelled out, for AutoGraph fails on Python 3.13."""

        def unfinished(step: tf.Tensor, *_: list[tf.Tensor]) -> tf.Tensor:
            return step < start + CHUNK

        def advance(
            step: tf.Tensor, *state: list[tf.Tensor]
        ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
            weights, first, second = state
            seen = self.seen(drawn, step - start)
            return (step + 1, *self._step(seen, weights, first, second, step + 1))

        _, weights, first, second = tf.while_loop(
            unfinished, advance, (start, weights, first, second)
        )
        return weights, first, second

    def _step(
        self,
        seen: Seen,
        weights: list[tf.Tensor],
        first: list[tf.Tensor],
        second: list[tf.Tensor],
        step: tf.Tensor,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = self._loss(self._outputs(weights, seen.rows), seen)
        gradients = tape.gradient(loss, weights)
        rate = self.recipe.learning_rate * 0.5 * (1 + tf.cos(np.pi * step / self.recipe.steps))
        first = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(first, gradients, strict=True)]
        second = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(second, gradients, strict=True)]
        moved = [
            w
            - rate * (m / (1 - BETA_1**step)) / (tf.sqrt(v / (1 - BETA_2**step)) + EPSILON)
            - (rate * self.decay * w if _is_kernel(i) else 0.0)
            for i, (w, m, v) in enumerate(zip(weights, first, second, strict=True))
        ]
        return moved, first, second

    def _outputs(self, weights: list[tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        """Float32 [networks, m]: every network's standardised answer to its rows."""
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        values = rows
        for kernel, bias in layers[:-1]:
            values = self.activation(values @ kernel + bias[:, None])
        kernel, bias = layers[-1]
        return (values @ kernel + bias[:, None])[..., 0]

    def _loss(self, outputs: tf.Tensor, seen: Seen) -> tf.Tensor:
        """The sum over networks: their gradients do not meet, so each learns alone."""
        return tf.reduce_sum(LOSSES[self.recipe.loss](outputs - seen.goal) * seen.share)


class _Full(_Trainer):
    """Every step sees all rows of its fold; they are stacked once."""

    def __init__(
        self, architecture: Architecture, weight_decays: NDArray[np.float64], folds: _Folds
    ) -> None:
        super().__init__(architecture, weight_decays)
        data, masks, inputs, output, outliers = folds
        rows = np.stack([it.keep(data.rows) for it in outliers]) if outliers else data.rows[None]
        standard = (rows - _stack(inputs, "mean")) / _stack(inputs, "scale")
        goal = (data.target[None] - _stack(output, "mean")) / _stack(output, "scale")
        mask = _repeat(masks, architecture.members)
        self.all = Seen(
            tf.constant(_repeat(standard, architecture.members), tf.float32),
            tf.constant(_repeat(goal, architecture.members), tf.float32),
            tf.constant(mask / mask.sum(axis=1, keepdims=True), tf.float32),
        )
        self.shown = np.arange(len(data))

    def draw(self) -> tf.Tensor:
        return tf.zeros(0, tf.int32)

    def seen(self, _drawn: tf.Tensor, _step: tf.Tensor) -> Seen:
        return self.all

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def look(self, weights: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self._outputs(weights, self.all.rows)
        return outputs, self._loss(outputs, self.all) / tf.cast(tf.shape(outputs)[0], tf.float32)


class _Batches(_Trainer):
    """Every step sees some rows of its fold, drawn with replacement.

    The table is held once, float32 [n, k]; each fold's bounds and standardisation are applied to
    the rows that a step sees.
    """

    def __init__(
        self,
        architecture: Architecture,
        weight_decays: NDArray[np.float64],
        folds: _Folds,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(architecture, weight_decays)
        data, masks, inputs, output, outliers = folds
        self.members, self.rng = architecture.members, rng
        most = _outliers(data.rows)  # a single one far out would leave the others no digits
        centre, spread = most.middle, most.high - most.low
        spread[spread == 0] = 1.0  # of a column that is constant

        def near(values: NDArray[np.float64], of: float = 1.0) -> tf.Tensor:
            """Values [.., k] in the units of the table that is held."""
            return tf.constant((values - centre * of) / spread, tf.float32)

        self.rows = near(data.rows)
        self.goal = tf.constant((data.target - data.target.mean()) / data.target.std(), tf.float32)
        self.low = near(np.stack([it.low for it in outliers])[:, None])
        self.high = near(np.stack([it.high for it in outliers])[:, None])
        self.mean, self.scale = near(_stack(inputs, "mean")), near(_stack(inputs, "scale"), of=0)
        of_target = Standardisation(data.target.mean(), data.target.std())
        self.goal_mean = _of(output, "mean", of_target)
        self.goal_scale = _of(output, "scale", of_target)
        self.used = [np.flatnonzero(mask).astype(np.int32) for mask in masks]
        self.shown = np.linspace(0, len(data) - 1, min(len(data), SHOWN)).astype(np.int64)

    def draw(self) -> tf.Tensor:
        """Int32 [f, CHUNK, batch]."""
        shape = (CHUNK, self.recipe.batch)
        return tf.constant(
            np.stack([used[self.rng.integers(0, len(used), shape)] for used in self.used])
        )

    def seen(self, drawn: tf.Tensor, step: tf.Tensor) -> Seen:
        picked = tf.gather(drawn, tf.cast(step, tf.int32), axis=1)
        goal = (tf.gather(self.goal, picked) - self.goal_mean) / self.goal_scale
        return Seen(
            self._standard(tf.gather(self.rows, picked)),
            tf.repeat(goal, self.members, axis=0),
            tf.constant(1 / self.recipe.batch, tf.float32),
        )

    def look(self, weights: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Of rows drawn by chance a loss says little: the steps are taken to their end."""
        return self._answer(weights, tf.gather(self.rows, self.shown)), -np.inf

    def predict(self, weights: list[tf.Tensor]) -> NDArray[np.float32]:
        blocks = [self.rows[at : at + BLOCK] for at in range(0, len(self.rows), BLOCK)]
        return np.concatenate([self._answer(weights, it).numpy() for it in blocks], axis=1)

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def _answer(self, weights: list[tf.Tensor], rows: tf.Tensor) -> tf.Tensor:
        return self._outputs(weights, self._standard(rows[None]))

    def _standard(self, rows: tf.Tensor) -> tf.Tensor:
        """Rows [f or 1, m, k] as each network takes them: [networks, m, k]."""
        kept = tf.minimum(tf.maximum(rows, self.low), self.high)
        return tf.repeat((kept - self.mean) / self.scale, self.members, axis=0)


def _outliers(rows: NDArray[np.float64]) -> Outliers:
    """The bounds beyond which one row in 1,000 lies on either side, of rows [m, k]."""
    low, high = np.quantile(rows, (OUTLYING, 1 - OUTLYING), axis=0)
    return Outliers(low, high)


def _standardisations(
    data: Dataset, masks: NDArray[np.bool_], outliers: list[Outliers]
) -> tuple[list[Standardisation], list[Standardisation]]:
    """Per fold, the mean and scale of the rows in use; a column that is constant keeps scale 1."""

    def of(values: NDArray[np.float64]) -> Standardisation:
        scale = values.std(axis=0)
        return Standardisation(values.mean(axis=0), np.where(scale > 0, scale, 1.0))

    every = outliers or [ALL] * len(masks)
    kept = (bounds.keep(data.rows[mask]) for mask, bounds in zip(masks, every, strict=True))
    return [of(rows) for rows in kept], [of(data.target[m]) for m in masks]


def _stack(parts: list[Standardisation], field: str) -> NDArray[np.float64]:
    """The means or scales of all folds with an axis for the rows: [f, 1, k] or [f, 1]."""
    return np.stack([getattr(part, field) for part in parts])[:, None]


def _of(parts: list[Standardisation], name: str, whole: Standardisation) -> tf.Tensor:
    """The means or scales of all folds where the target is standardised by `whole`: [f, 1]."""
    values = _stack(parts, name) - (whole.mean if name == "mean" else 0.0)
    return tf.constant(values / whole.scale, tf.float32)


def _repeat(values: NDArray[np.float64] | NDArray[np.bool_], members: int) -> NDArray[np.float64]:
    return np.repeat(values.astype(np.float64), members, axis=0)


def _flat(network: Network) -> list[NDArray[np.float64]]:
    return [array for layer in network for array in layer]


def _is_kernel(position: int) -> bool:
    return position % 2 == 0


def _in_units(
    outputs: NDArray[np.float32], output: list[Standardisation], members: int
) -> NDArray[np.float64]:
    """The members' average in the target's units: float64 [f, n]."""
    average = outputs.astype(np.float64).reshape(len(output), members, -1).mean(axis=1)
    answers: NDArray[np.float64] = average * _stack(output, "scale") + _stack(output, "mean")
    return answers


def _progress(
    step: int,
    recipe: Recipe,
    predictions: NDArray[np.float64],
    target: NDArray[np.float64],
    masks: NDArray[np.bool_],
) -> Progress:
    error = np.abs(predictions - target)
    held_out = float(error[~masks].mean()) if not masks.all() else None
    return Progress(step, recipe.steps, float(error[masks].mean()), held_out)


def _networks(
    weights: list[tf.Tensor],
    inputs: list[Standardisation],
    output: list[Standardisation],
    members: int,
) -> list[list[Network]]:
    arrays = [w.numpy().astype(np.float64) for w in weights]
    layers = list(zip(arrays[::2], arrays[1::2], strict=True))
    return [
        [
            fold([(kernel[i], bias[i]) for kernel, bias in layers], inputs[f], output[f])
            for i in range(f * members, (f + 1) * members)
        ]
        for f in range(len(inputs))
    ]
