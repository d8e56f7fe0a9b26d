"""The architectures of the introduction, as Keras builds them.

    linear-unit   sugar -> Dense(1)
    linear        sugar, fiber, protein -> Dense(1)
    deep          sugar, fiber, protein -> Dense(4, relu) -> Dense(3, relu) -> Dense(1)
    ensemble      several deeper networks side by side, averaged

Every network takes and answers the units of the table: the standardisation that training
needs is folded into the first and last layer afterwards (`fold`), so a printed weight is
kcal a gram and the parameter count is the network's own. Any other table has a network of
its size (`of_size`), which keeps outliers within bounds first.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

SUGAR_FIBER_PROTEIN = ("sugar", "fiber", "protein")

Layer = tuple[NDArray[np.float64], NDArray[np.float64]]  # kernel [in, out], bias [out]
Network = list[Layer]


@dataclass(frozen=True)
class Recipe:
    """How the weights are found: Adam on standardised data, cosine to zero.

    Each step sees all rows, or `batch` of them, drawn anew. With `clip` an input beyond the
    outermost rows of training, one in 1,000 on either side, counts as if it were there.
    Of `weight_decays` one is chosen inside the folds. The decay is decoupled (AdamW,
    Loshchilov and Hutter 2019) and holds for kernels only. `patience` steps without an
    improvement of the loss end the training early.
    """

    loss: str  # "absolute", "squared" or "huber"
    steps: int
    learning_rate: float = 0.01
    weight_decays: tuple[float, ...] = (0.0,)
    patience: int = 200
    batch: int = 0
    clip: bool = False


@dataclass(frozen=True)
class Architecture:
    """A family of networks; `inputs` are columns, `hidden` the widths of its ReLU layers."""

    name: str
    model: str  # the name it is published under, unless the user gives another
    inputs: tuple[str, ...]
    hidden: tuple[int, ...]
    recipe: Recipe
    activation: str = "relu"
    members: int = 1

    @property
    def widths(self) -> tuple[int, ...]:
        """The size of every layer from the inputs to the single output."""
        return (len(self.inputs), *self.hidden, 1)

    @property
    def parameters(self) -> int:
        """The number of weights and biases, as `count_params()` of the Keras model gives it."""
        pairs = zip(self.widths, self.widths[1:], strict=False)
        return self.members * sum((before + 1) * after for before, after in pairs)


LEAST_SQUARES = Recipe(loss="squared", steps=1000, learning_rate=0.1)

ARCHITECTURES = {
    each.name: each
    for each in (
        Architecture("linear-unit", "linear-unit", ("sugar",), (), LEAST_SQUARES),
        Architecture("linear", "linear", SUGAR_FIBER_PROTEIN, (), LEAST_SQUARES),
        Architecture(
            "deep",
            "deep",
            SUGAR_FIBER_PROTEIN,
            (4, 3),
            Recipe(loss="absolute", steps=1500, learning_rate=0.03, weight_decays=(0.01,)),
        ),
        Architecture(
            "ensemble",
            "calories",
            SUGAR_FIBER_PROTEIN,
            (16, 32),
            Recipe(loss="absolute", steps=400, learning_rate=0.01, weight_decays=(0.3, 1.0, 3.0)),
            members=3,
        ),
    )
}


def _size(hidden: tuple[int, ...], steps: int, batch: int, *decays: float) -> Architecture:
    recipe = Recipe("huber", steps, 0.01, decays, patience=steps, batch=batch, clip=True)
    return Architecture("network", "network", (), hidden, recipe, members=3)


SIZES = {  # of a table, by the rows that it has fewer than
    1_000: _size((32, 32), 500, 0, 0.3, 3.0),
    2_000: _size((64, 64), 1000, 0, 0.1),
    10_000: _size((64, 64), 1500, 256, 0.1, 1.0),
    100_000: _size((64, 64), 2500, 1024, 0.01),
    sys.maxsize: _size((64, 64), 2000, 8192, 0.01),
}


def of_size(rows: int) -> Architecture:
    """A network for any table, whose widths and steps follow the number of its rows."""
    return next(network for most, network in SIZES.items() if rows < most)


def build(architecture: Architecture, outliers: "Outliers | None" = None) -> keras.Model:
    """The Keras model: a Sequential of Dense layers, or the average of several of them.

    Takes float32 [n, k] in the inputs' units, answers float32 [n, 1] in the output's. With
    `outliers` each input is kept between their bounds, and their middle is taken from it: the first
    layer then multiplies small numbers, of which float32 loses nothing.
    """
    if architecture.members == 1 and outliers is None:
        return sequential(architecture)
    features = keras.Input((len(architecture.inputs),), name="features")
    kept = features
    if outliers:
        low, high = (bound.astype(np.float32) for bound in (outliers.low, outliers.high))
        inside = keras.ops.minimum(keras.ops.maximum(features, low), high)
        kept = inside - outliers.middle.astype(np.float32)
    members = [sequential(architecture) for _ in range(architecture.members)]
    answers = [member(kept) for member in members]
    average = keras.layers.Average()(answers) if len(answers) > 1 else answers[0]
    return keras.Model(features, average, name=architecture.name)


def sequential(architecture: Architecture) -> keras.Sequential:
    """One network: rectified (or otherwise activated) Dense layers and a linear output."""
    return keras.Sequential(
        [
            keras.Input((len(architecture.inputs),)),
            *(keras.layers.Dense(n, architecture.activation) for n in architecture.hidden),
            keras.layers.Dense(1),
        ]
    )


def with_weights(
    architecture: Architecture, networks: Sequence[Network], outliers: "Outliers | None" = None
) -> keras.Model:
    """The Keras model with the weights of its members, which are in the table's units."""
    model = build(architecture, outliers)
    if outliers:
        networks = [shifted(network, outliers.middle) for network in networks]
    model.set_weights([array for network in networks for layer in network for array in layer])
    return model


def initial(architecture: Architecture, rng: np.random.Generator) -> Network:
    """Random weights for rectified units: He uniform kernels (Keras's `he_uniform`), zero biases.

    He, Zhang, Ren and Sun 2015: uniform within sqrt(6 / in).
    """
    pairs = zip(architecture.widths, architecture.widths[1:], strict=False)
    return [(rng.uniform(-1, 1, (a, b)) * np.sqrt(6 / a), np.zeros(b)) for a, b in pairs]


def fold(network: Network, inputs: "Standardisation", output: "Standardisation") -> Network:
    """The same function in the table's units: standardisation folded into the outer layers.

    The first layer sees (x - mean) / scale, so its kernel is divided by the scale and its
    bias takes the mean; the last layer's answer is multiplied by the scale and shifted.
    """
    kernel, bias = network[0]
    kernel = kernel / inputs.scale[:, None]
    folded = [(kernel, bias - inputs.mean @ kernel), *network[1:]]
    kernel, bias = folded[-1]
    return [*folded[:-1], (kernel * output.scale, bias * output.scale + output.mean)]


def shifted(network: Network, middle: NDArray[np.float64]) -> Network:
    """The same function of inputs from which `middle`, float64 [k], is taken already."""
    (kernel, bias), *others = network
    middle = middle.astype(np.float32).astype(np.float64)  # as the graph has it
    return [(kernel, bias + middle @ kernel), *others]


@dataclass(frozen=True)
class Outliers:
    """The bounds that inputs are kept between, float64 [k]."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def keep(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows, float64 [n, k], with every input between its bounds."""
        return np.clip(rows, self.low, self.high)

    @property
    def middle(self) -> NDArray[np.float64]:
        """Between the bounds."""
        return (self.low + self.high) / 2


@dataclass(frozen=True)
class Standardisation:
    """Mean and scale of columns: float64 [k], or scalars for the output."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
