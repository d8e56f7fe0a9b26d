"""python -m benchmarks.scale.rows FOLDER: servings made by a seed, as Parquet, to score.

Each has an `id`, its number from 0, so that a lost or doubled row is seen; `--bad N` makes every
N-th row one that cannot be scored.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

INPUTS = ("sugar", "fiber", "protein")
FILE = 1 << 20  # rows a file
GROUP = 1 << 16  # rows a row group
SCHEMA = pa.schema([("id", pa.int64()), *((name, pa.float32()) for name in INPUTS)])


def make(folder: Path, rows: int, bad: int = 0) -> None:
    """Write rows 0 to `rows` into `folder`, which is made."""
    folder.mkdir(parents=True)
    for number, begin in enumerate(range(0, rows, FILE)):
        table = pa.table(_columns(begin, min(FILE, rows - begin), bad), SCHEMA)
        pq.write_table(table, folder / f"part-{number:05}.parquet", row_group_size=GROUP)


def _columns(begin: int, size: int, bad: int) -> dict[str, object]:
    random = np.random.default_rng(begin)
    number = np.arange(begin, begin + size)
    grams = {name: random.uniform(0, 15, size).astype(np.float32) for name in INPUTS}
    if bad:
        grams["fiber"][number % bad == bad - 1] = np.nan
    return {"id": number, **grams}


def main() -> None:
    """Make a folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.rows", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000, help="default: 10,000,000")
    parser.add_argument("--bad", type=int, default=0, metavar="N", help="default: no bad row")
    options = parser.parse_args()
    make(options.folder, options.rows, options.bad)


if __name__ == "__main__":
    main()
