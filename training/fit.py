"""Fit many networks at once: one per fold and member, on a leading axis of one jitted graph.

Ten folds repeated five times and the final fit on all rows are 51 fits of the same network
on the same 76 rows with other rows left out. Trained one after another they cost minutes of
dispatch; stacked as [network, row, column] with a mask of the rows in use they are a few
batched matrix products a step, compiled once by XLA.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.architectures import Architecture, Network, Standardisation, fold, initial
from training.dataset import Dataset

CHUNK = 50  # steps between two looks at the losses
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # Adam's usual constants, as in Keras


@dataclass(frozen=True)
class Progress:
    """Where the training stands: mean absolute errors in kcal on used and held-out rows."""

    step: int
    steps: int
    training: float
    held_out: float | None


Watch = Callable[[Progress], None]


@dataclass(frozen=True)
class Fit:
    """The fitted networks, in grams and kcal.

    `networks[f]` holds the members of fold `f`; `predictions` is float64 [f, n], each fold's
    answer to every row; `history` is what was seen after every chunk of steps.
    """

    networks: list[list[Network]]
    predictions: NDArray[np.float64]
    history: tuple[Progress, ...]


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
    members = architecture.members
    inputs, output = _standardisations(data, masks)
    rng = np.random.default_rng(seed)
    start = [initial(architecture, rng) for _ in range(members)]
    standard = (data.rows[None] - _stack(inputs, "mean")) / _stack(inputs, "scale")
    goal = (data.target[None] - _stack(output, "mean")) / _stack(output, "scale")
    trainer = _Trainer(
        architecture,
        rows=_repeat(standard, members),
        goal=_repeat(goal, members),
        mask=_repeat(masks, members),
        weight_decays=np.repeat(weight_decays, members),
    )
    weights = [
        tf.constant(np.tile(np.stack(arrays), (len(masks), *[1] * arrays[0].ndim)), tf.float32)
        for arrays in zip(*(_flat(network) for network in start), strict=True)
    ]
    history = []
    for step, moved, outputs in trainer.run(weights):
        weights = moved
        predictions = _kcal(outputs.numpy(), output, members)
        history.append(_progress(step, architecture, predictions, data, masks))
        watch(history[-1])
    return Fit(_networks(weights, inputs, output, members), predictions, tuple(history))


class _Trainer:
    """Adam with decoupled weight decay and a cosine schedule over stacked networks."""

    def __init__(
        self,
        architecture: Architecture,
        rows: NDArray[np.float64],
        goal: NDArray[np.float64],
        mask: NDArray[np.float64],
        weight_decays: NDArray[np.float64],
    ) -> None:
        self.recipe = architecture.recipe
        self.activation = keras.activations.get(architecture.activation)
        self.rows = tf.constant(rows, tf.float32)
        self.goal = tf.constant(goal, tf.float32)
        self.share = tf.constant(mask / mask.sum(axis=1, keepdims=True), tf.float32)
        self.decay = tf.constant(weight_decays[:, None, None], tf.float32)

    def run(self, weights: list[tf.Tensor]) -> Iterator[tuple[int, list[tf.Tensor], tf.Tensor]]:
        """Yield (step, weights, outputs) after every chunk, until the loss stands still."""
        zeros = [tf.zeros_like(w) for w in weights]
        state = (weights, zeros, zeros)
        best, best_step = np.inf, 0
        for step in range(0, self.recipe.steps, CHUNK):
            state = self._chunk(*state, tf.constant(step, tf.float32))
            outputs, loss = self._look(state[0])
            yield step + CHUNK, state[0], outputs
            if loss < best * (1 - 1e-5):
                best, best_step = float(loss), step
            elif step - best_step >= self.recipe.patience:
                return

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def _chunk(
        self,
        weights: list[tf.Tensor],
        first: list[tf.Tensor],
        second: list[tf.Tensor],
        start: tf.Tensor,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """CHUNK steps; the loop is spelled out, for AutoGraph fails on Python 3.13."""

        def unfinished(step: tf.Tensor, *_: list[tf.Tensor]) -> tf.Tensor:
            return step < start + CHUNK

        def advance(
            step: tf.Tensor, *state: list[tf.Tensor]
        ) -> tuple[tf.Tensor, list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
            weights, first, second = state
            return (step + 1, *self._step(weights, first, second, step + 1))

        _, weights, first, second = tf.while_loop(
            unfinished, advance, (start, weights, first, second)
        )
        return weights, first, second

    def _step(
        self,
        weights: list[tf.Tensor],
        first: list[tf.Tensor],
        second: list[tf.Tensor],
        step: tf.Tensor,
    ) -> tuple[list[tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss = self._loss(self._outputs(weights))
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

    @tf.function(jit_compile=True, autograph=False)  # type: ignore[untyped-decorator]
    def _look(self, weights: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = self._outputs(weights)
        return outputs, self._loss(outputs) / tf.cast(tf.shape(outputs)[0], tf.float32)

    def _outputs(self, weights: list[tf.Tensor]) -> tf.Tensor:
        """Float32 [networks, n]: every network's standardised answer to every row."""
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        values = self.rows
        for kernel, bias in layers[:-1]:
            values = self.activation(values @ kernel + bias[:, None])
        kernel, bias = layers[-1]
        return (values @ kernel + bias[:, None])[..., 0]

    def _loss(self, outputs: tf.Tensor) -> tf.Tensor:
        """The sum over networks: their gradients do not meet, so each learns alone."""
        error = outputs - self.goal
        error = tf.abs(error) if self.recipe.loss == "absolute" else error * error
        return tf.reduce_sum(error * self.share)


def _standardisations(
    data: Dataset, masks: NDArray[np.bool_]
) -> tuple[list[Standardisation], list[Standardisation]]:
    """Per fold, the mean and scale of the rows in use; a column that is constant keeps scale 1."""

    def of(values: NDArray[np.float64]) -> Standardisation:
        scale = values.std(axis=0)
        return Standardisation(values.mean(axis=0), np.where(scale > 0, scale, 1.0))

    return [of(data.rows[m]) for m in masks], [of(data.target[m]) for m in masks]


def _stack(parts: list[Standardisation], field: str) -> NDArray[np.float64]:
    """The means or scales of all folds with an axis for the rows: [f, 1, k] or [f, 1]."""
    return np.stack([getattr(part, field) for part in parts])[:, None]


def _repeat(values: NDArray[np.float64] | NDArray[np.bool_], members: int) -> NDArray[np.float64]:
    return np.repeat(values.astype(np.float64), members, axis=0)


def _flat(network: Network) -> list[NDArray[np.float64]]:
    return [array for layer in network for array in layer]


def _is_kernel(position: int) -> bool:
    return position % 2 == 0


def _kcal(
    outputs: NDArray[np.float32], output: list[Standardisation], members: int
) -> NDArray[np.float64]:
    """The members' average in kcal: float64 [f, n]."""
    average = outputs.astype(np.float64).reshape(len(output), members, -1).mean(axis=1)
    kcal: NDArray[np.float64] = average * _stack(output, "scale") + _stack(output, "mean")
    return kcal


def _progress(
    step: int,
    architecture: Architecture,
    predictions: NDArray[np.float64],
    data: Dataset,
    masks: NDArray[np.bool_],
) -> Progress:
    error = np.abs(predictions - data.target)
    held_out = float(error[~masks].mean()) if not masks.all() else None
    return Progress(step, architecture.recipe.steps, float(error[masks].mean()), held_out)


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
