"""What a training shows on the terminal and writes for TensorBoard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.manifest import Manifest
from training import fit
from training.train import Trained

EXAMPLE = {"sugar": 5.0, "fiber": 1.0, "protein": 2.0}


@contextmanager
def progress(console: Console, title: str, logs: Path | None) -> Iterator[fit.Watch]:
    """A progress bar with the losses; with `logs`, the same as TensorBoard scalars."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    writer = tf.summary.create_file_writer(str(logs)) if logs else None
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)

        def watch(seen: fit.Progress) -> None:
            held_out = f", held out {seen.held_out:.2f}" if seen.held_out is not None else ""
            bar.update(
                task,
                total=seen.steps,
                completed=seen.step,
                description=f"{title}: error {seen.training:.2f} kcal{held_out}",
            )
            if writer:
                with writer.as_default(step=seen.step):
                    tf.summary.scalar("mean absolute error/training", seen.training)
                    if seen.held_out is not None:
                        tf.summary.scalar("mean absolute error/held out", seen.held_out)

        yield watch
        done = bar.tasks[task].completed
        bar.update(task, total=done, completed=done)
    if writer:
        writer.close()


def tell_data(console: Console, trained: Trained) -> None:
    """Which rows were used, and which were not."""
    for sentence in trained.data.left_out:
        console.print(sentence, highlight=False)
    console.print(f"{len(trained.data)} rows of {trained.data.source}")


def tell_weights(console: Console, trained: Trained) -> None:
    """The weights in kcal a gram: a formula for a linear unit, a table a layer otherwise."""
    architecture = trained.config.architecture
    console.print(f"{architecture.name}: {trained.model.count_params()} parameters")
    if not architecture.hidden:
        kernel, bias = trained.model.get_weights()
        terms = [f"{w:+.4f} {i}" for w, i in zip(kernel[:, 0], architecture.inputs, strict=True)]
        console.print(f"calories = {bias[0]:.3f} {' '.join(terms)}", highlight=False)
    elif architecture.members == 1:
        for number, layer in enumerate(trained.model.layers, 1):
            kernel, bias = layer.get_weights()
            console.print(f"layer {number}: weights {kernel.shape[0]} by {kernel.shape[1]}")
            console.print(np.array2string(kernel, precision=3, suppress_small=True))
            console.print(f"biases {np.array2string(bias, precision=3, suppress_small=True)}")


def tell_scores(console: Console, trained: Trained) -> None:
    """The held-out errors beside the baselines', and the interval."""
    table = Table("held out", "mean absolute error", "root mean squared error", "R²")
    scores = {
        trained.config.architecture.name: trained.evaluation.model,
        **trained.evaluation.baselines,
    }
    for name, score in scores.items():
        table.add_row(
            name,
            f"{score.mean_absolute_error:.2f} kcal",
            f"{score.root_mean_squared_error:.2f} kcal",
            f"{score.r2:.3f}",
        )
    console.print(table)
    interval = trained.interval
    console.print(f"{interval.coverage:.0%} interval: ±{interval.half_width:.1f} kcal")


def tell_published(
    console: Console, trained: Trained, manifest: Manifest, difference: float, folder: Path
) -> None:
    """Where the version is, and an answer of it."""
    row = [EXAMPLE.get(name, manifest.inputs[i].mean) for i, name in enumerate(trained.data.inputs)]
    answer = float(trained.model(np.array([row], np.float32))[0, 0])
    grams = ", ".join(f"{g:g} g {n}" for g, n in zip(row, trained.data.inputs, strict=True))
    console.print(f"{grams}: {answer:.1f} kcal (± {trained.interval.half_width:.1f})")
    console.print(
        f"published {manifest.model} version {manifest.version} in {folder} "
        f"(twin and SavedModel agree to {difference:.0e} kcal)",
        soft_wrap=True,
    )
