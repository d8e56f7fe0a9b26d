"""python -m benchmarks.training: the folds fitted at once, beside a loop of Keras's model.fit.

Both fit the same networks on the same rows for the same number of full-batch steps with Adam
and decoupled weight decay. Of the loop a few fits are timed, the first of all left out because
it loads what the others use, and the rest is reckoned from their median.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from statistics import median

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from numpy.typing import NDArray

from training.architectures import ARCHITECTURES, Architecture, sequential
from training.dataset import Dataset, load
from training.fit import fit
from training.folds import definitions

LEAST = 50.0  # times faster


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both times and their ratio; returns 1 when the ratio is below LEAST."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--architecture", choices=sorted(ARCHITECTURES), default="ensemble")
    parser.add_argument("--fits", type=int, default=3, help="of the loop are timed; default: 3")
    options = parser.parse_args(arguments)
    architecture = ARCHITECTURES[options.architecture]
    data = load("cereals", architecture.inputs)
    masks = definitions(data.rows, data.inputs)[0].outer
    stacked, steps = _stacked(architecture, data, masks)
    one = _loop(architecture, data, masks, steps, options.fits)
    fits = len(masks) * architecture.members
    ratio = one * fits / stacked
    print(
        f"{architecture.name}: {fits} fits of {steps} steps at once take {stacked:.1f} s, "
        f"compiling included; a loop of model.fit would take {one * fits:,.0f} s "
        f"({one:.2f} s a fit, the median of {options.fits}): {ratio:,.0f} times as long."
    )
    return 0 if ratio >= LEAST else 1


def _stacked(
    architecture: Architecture, data: Dataset, masks: NDArray[np.bool_]
) -> tuple[float, int]:
    """Seconds of all fits together, and the steps that were taken."""
    began = time.perf_counter()
    decays = np.full(len(masks), architecture.recipe.weight_decays[0])
    found = fit(architecture, data, masks, decays, seed=0)
    return time.perf_counter() - began, found.history[-1].step


def _loop(
    architecture: Architecture, data: Dataset, masks: NDArray[np.bool_], steps: int, fits: int
) -> float:
    """Seconds of one model.fit, standardised by its own rows as the other is."""
    seconds = []
    for mask in masks[: fits + 1]:
        rows, goal = _standard(data.rows[mask]), _standard(data.target[mask])
        began = time.perf_counter()
        _compiled(architecture, steps).fit(
            rows, goal, batch_size=len(rows), epochs=steps, shuffle=False, verbose=0
        )
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])


def _compiled(architecture: Architecture, steps: int) -> keras.Model:
    recipe = architecture.recipe
    model = sequential(architecture)
    model.compile(
        keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps),
            weight_decay=recipe.weight_decays[0],
        ),
        loss="mean_absolute_error" if recipe.loss == "absolute" else "mean_squared_error",
    )
    return model


def _standard(values: NDArray[np.float64]) -> NDArray[np.float32]:
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    return np.asarray(standard, np.float32)


if __name__ == "__main__":
    sys.exit(main())
