"""python -m benchmarks.batch: what python -m service.batch takes of one core, from Parquet.

It writes a Parquet file of random servings into a temporary folder, scores it with `deep` and
with `calories`, pinned to one core, and prints rows a second of processor time: user and system,
of the whole process, its start included.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
INPUTS = ("sugar", "fiber", "protein")
GROUP = 1 << 20  # rows generated at a time


def main() -> None:
    """Measure both models and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000, help="default: 20,000,000")
    rows = parser.parse_args().rows
    print(f"{datetime.now(UTC):%Y-%m-%d}, {_machine()}, pyarrow {pa.__version__}, {rows:,} rows\n")
    print("| model | processor time | rows a second of one core |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.parquet"), Path(folder, "out.parquet")
        _write(source, rows)
        for model in ("deep", "calories"):
            seconds = _score(model, source, output)
            print(f"| {model} | {seconds:.2f} s | {rows / seconds / 1e6:.1f} million |")


def _write(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float32()) for name in INPUTS])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            size = min(GROUP, rows - start)
            grams = [random.uniform(0, 15, size).astype(np.float32) for _ in INPUTS]
            writer.write_table(pa.table([pa.array(column) for column in grams], schema))


def _score(model: str, source: Path, output: Path) -> float:
    """The user and system time in seconds of one run on one core."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "service.batch", source, output, "--model", model],
        cwd=ROOT,
        check=True,
        capture_output=True,
        preexec_fn=_pin,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _pin() -> None:
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
