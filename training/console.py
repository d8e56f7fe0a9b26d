"""What a training shows on the terminal and writes for TensorBoard."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models.manifest import Compared
from training import fit, intervals
from training.folds import LARGE
from training.options import held_back
from training.publish import Published
from training.train import Trained

PRINTED = 200  # parameters; more are a wall of numbers
EXAMPLES = 8  # inputs of the row that is shown


@contextmanager
def progress(console: Console, logs: Path | None) -> Iterator[fit.Watch]:
    """A progress bar with the losses; with `logs`, the same as TensorBoard scalars."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    writer = tf.summary.create_file_writer(str(logs)) if logs else None
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("training", total=None)

        def watch(seen: fit.Progress) -> None:
            held_out = f", held out {seen.held_out:.4g}" if seen.held_out is not None else ""
            bar.update(
                task,
                total=seen.steps,
                completed=seen.step,
                description=f"error {seen.training:.4g}{held_out}",
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
    """Which columns and rows were used, and which were not."""
    data = trained.data
    for told in (*data.notes, *data.left_out):
        console.print(str(told), highlight=False, soft_wrap=True, markup=False)
    if data.filled:
        console.print(f"filled: {data.filled:,} missing cells with their column's mean")
    console.print(f"{len(data)} rows of {data.source}", markup=False)


def tell_weights(console: Console, trained: Trained) -> None:
    """The weights in the table's units: a formula for a linear unit, a table a layer otherwise."""
    architecture = trained.architecture
    console.print(f"{architecture.name}: {trained.model.count_params()} parameters")
    if not architecture.hidden:
        kernel, bias = trained.model.get_weights()
        terms = [f"{w:+.4f} {i}" for w, i in zip(kernel[:, 0], architecture.inputs, strict=True)]
        name = trained.data.output.name
        console.print(f"{name} = {bias[0]:.3f} {' '.join(terms)}", highlight=False)
    elif architecture.members == 1 and architecture.parameters <= PRINTED:
        for number, layer in enumerate(trained.model.layers, 1):
            kernel, bias = layer.get_weights()
            console.print(f"layer {number}: weights {kernel.shape[0]} by {kernel.shape[1]}")
            console.print(np.array2string(kernel, precision=3, suppress_small=True))
            console.print(f"biases {np.array2string(bias, precision=3, suppress_small=True)}")


def tell_interval(console: Console, trained: Trained) -> None:
    """The interval, and what was chosen inside the folds."""
    interval = trained.interval
    width = f"±{interval.half_width:.{digits(trained)}f}{unit(trained)}"
    if len(trained.architecture.recipe.weight_decays) > 1:
        console.print(f"weight decay {trained.weight_decay:g}, chosen inside the folds")
    console.print(
        f"{interval.coverage:.0%} interval: {width} "
        f"({interval.observed:.1%} of held-out truths inside)"
    )


def tell_comparison(console: Console, trained: Trained) -> None:
    """One line for each architecture and baseline, worst first."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("held out", no_wrap=True)
    for title in ("MAE", "apart", "RMSE", "R²", "less l.s.", "width", "inside"):
        table.add_column(title, justify="right", no_wrap=True)
    for line in trained.evaluation.comparison:
        table.add_row(*_cells(line, digits(trained)))
    console.print(table)
    console.print(
        f"MAE, RMSE, width of the interval:{unit(trained) or ' as the target'}. "
        "less l.s.: MAE minus that\nof least squares, 95 % interval. apart: MAE with alike rows in "
        "different folds.\ninside: held-out truths in the interval. "
        f"Folds: {trained.evaluation.folds}.",
        style="dim",
    )


def tell_intervals(console: Console, trained: Trained) -> None:
    """The interval that ships, made inside the folds and tried on their rows; beside it CV+.

    CV+ needs as many answers as rows seen times rows held out: a large table goes without.
    """
    truth, coverage = trained.data.target, trained.interval.coverage
    lead, after = trained.validated[0], digits(trained)
    ours = intervals.measured(lead, truth, coverage)
    text = (
        f"{lead.name}: {coverage:.0%} intervals of "
        f"±{ours.half_width:.{after}f}{unit(trained)} hold {ours.observed:.1%}"
    )
    if len(truth) < LARGE:
        reference = intervals.cv_plus(lead, truth, coverage)
        text += f"; CV+, ±{reference.half_width:.{after}f} on average, {reference.observed:.1%}"
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def tell_card(console: Console, trained: Trained) -> None:
    """What else the card says: the noise floor, where the interval holds, the largest errors."""
    found, after = trained.evaluation, digits(trained)

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    if floor := found.noise:
        say(
            f"{floor.rows:,} rows share all inputs with another: whatever is computed of those is "
            f"off by {floor.mean_absolute_error:.{after + 1}f} on average at least, and the "
            f"standard deviation among them is {floor.standard_deviation:.{after + 1}f}"
        )
    if covered := found.coverage:
        for name, parts in {"the prediction": covered.by_prediction, **covered.by_input}.items():
            shares = (f"{it.low:.4g} to {it.high:.4g}: {it.coverage:.0%}" for it in parts)
            say(f"inside, by {name}: {'; '.join(shares)}")
    for it in found.mistakes:
        say(f"{it.name}: predicted {it.predicted:.{after}f}, measured {it.measured:g}")


def digits(trained: Trained, more: int = 0) -> int:
    """Digits after the point that tell something: two for a target that varies by one."""
    spread = float(trained.data.target.std())
    return int(np.clip(2 + more - math.floor(math.log10(spread)), 0, 9))


def unit(trained: Trained) -> str:
    """The target's unit after a number; nothing where nobody gave it."""
    return f" {trained.data.output.unit}".rstrip()


def _cells(line: Compared, digits: int) -> Iterator[str]:
    yield line.name
    yield f"{line.mean_absolute_error:.{digits + 1}f}"
    yield f"{line.apart:.{digits + 1}f}" if line.apart is not None else ""
    yield f"{line.root_mean_squared_error:.{digits + 1}f}"
    yield f"{line.r2:.3f}"
    low, high = line.difference
    yield f"{low:+.{digits}f} to {high:+.{digits}f}"
    yield f"±{line.half_width:.{digits}f}" if line.half_width is not None else ""
    yield f"{line.coverage:.1%}" if line.coverage is not None else ""


def tell_published(console: Console, trained: Trained, published: Published, folder: Path) -> None:
    """Where the version is, an answer of it, and whether it is stable."""
    manifest = published.manifest
    row = {name: trained.data.example[name] for name in manifest.input_names}
    answer = float(trained.model(np.array([[*row.values()]], np.float32))[0, 0])
    given = ", ".join(f"{name} {value:g}" for name, value in [*row.items()][:EXAMPLES])
    more = f" and {len(row) - EXAMPLES} more" if len(row) > EXAMPLES else ""
    width, after = trained.interval.half_width, digits(trained)
    told = f"{manifest.output.name} {answer:.{after}f} (± {width:.{after}f}){unit(trained)}"
    console.print(f"{given}{more}: {told}", soft_wrap=True, markup=False)
    console.print(
        f"published {manifest.model} version {manifest.version} in {folder} "
        f"(twin and SavedModel differ by {published.difference:.0e} of the largest answer)",
        soft_wrap=True,
    )
    if published.verdict.note:
        console.print(f"{published.verdict.note}.", soft_wrap=True, markup=False)
    if published.verdict.refusal:
        console.print(held_back(manifest, published.verdict.refusal), soft_wrap=True)
