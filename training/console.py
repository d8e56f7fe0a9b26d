"""What a training shows on the terminal and writes for TensorBoard."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.manifest import Compared
from training import evaluate, fit, intervals
from training.dataset import Dataset
from training.folds import Scheme
from training.publish import Published
from training.train import Trained
from training.validate import Validated

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
    for rows in trained.data.left_out:
        console.print(str(rows), highlight=False, soft_wrap=True)
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


def tell_interval(console: Console, trained: Trained) -> None:
    """The interval, and what was chosen inside the folds."""
    interval = trained.interval
    if len(trained.config.architecture.recipe.weight_decays) > 1:
        console.print(f"weight decay {trained.weight_decay:g}, chosen inside the folds")
    console.print(
        f"{interval.coverage:.0%} interval: ±{interval.half_width:.1f} kcal "
        f"({interval.observed:.1%} of held-out truths inside)"
    )


def tell_comparison(console: Console, lines: Sequence[Compared]) -> None:
    """One line for each architecture and baseline, worst first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("held out", no_wrap=True)
    for title in ("MAE", "RMSE", "R²", "less l.s.", "interval", "inside", "seconds"):
        table.add_column(title, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*_cells(line))
    console.print(table)
    console.print(
        "MAE, RMSE, interval: kcal. less l.s.: MAE minus that of least squares, 95 % interval.\n"
        "inside: held-out truths in the interval. seconds: fitting all folds.",
        style="dim",
    )


def tell_intervals(console: Console, trained: Trained) -> None:
    """The interval that ships beside CV+, both made inside the folds and tried on their rows."""
    truth, coverage = trained.data.calories, trained.interval.coverage
    ours = intervals.measured(trained.validated, truth, coverage)
    reference = intervals.cv_plus(trained.validated, truth, coverage)
    console.print(
        f"{trained.validated.name}: {coverage:.0%} intervals of "
        f"±{ours.half_width:.1f} kcal hold {ours.observed:.1%}; "
        f"CV+, ±{reference.half_width:.1f} kcal on average, {reference.observed:.1%}",
        highlight=False,
    )


def tell_folds(console: Console, validated: Validated, scheme: Scheme, data: Dataset) -> None:
    """The score on other folds."""
    score = evaluate.score(validated.held_out, data.calories)
    console.print(
        f"{validated.name} on {scheme}: mean absolute error {score.mean_absolute_error:.2f} kcal",
        highlight=False,
    )


def _cells(line: Compared) -> Iterator[str]:
    yield line.name
    yield f"{line.mean_absolute_error:.2f}"
    yield f"{line.root_mean_squared_error:.2f}"
    yield f"{line.r2:.3f}"
    low, high = line.difference
    yield f"{low:+.1f} to {high:+.1f}"
    yield f"±{line.half_width:.1f}" if line.half_width is not None else ""
    yield f"{line.coverage:.1%}" if line.coverage is not None else ""
    yield f"{line.seconds:.1f}"


def tell_published(console: Console, trained: Trained, published: Published, folder: Path) -> None:
    """Where the version is, an answer of it, and whether it is stable."""
    manifest = published.manifest
    row = [EXAMPLE.get(name, manifest.inputs[i].mean) for i, name in enumerate(trained.data.inputs)]
    answer = float(trained.model(np.array([row], np.float32))[0, 0])
    grams = ", ".join(f"{g:g} g {n}" for g, n in zip(row, trained.data.inputs, strict=True))
    console.print(f"{grams}: {answer:.1f} kcal (± {trained.interval.half_width:.1f})")
    console.print(
        f"published {manifest.model} version {manifest.version} in {folder} "
        f"(twin and SavedModel differ by {published.difference:.0e} of the largest answer)",
        soft_wrap=True,
    )
    if published.held_back:
        console.print(
            f"stable stays where it is: {published.held_back}; --force-label moves it all the "
            f"same, and so does 'python -m models label {manifest.model} stable "
            f"{manifest.version}'.",
            soft_wrap=True,
        )
