"""python -m benchmarks.scale: folders of Parquet, here and with Ray Data on 1 and 2 nodes.

Makes servings by a seed, scores them with `calories`, and prints wall-clock seconds from the
start of the command to its end, as a Markdown table; every run must give every row. The nodes
have one core each, so two of them are this machine. The cluster runs already: starting one is
told beside.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.scale.process import Cluster, cluster, resident, scoring
from benchmarks.scale.rows import make

SIZES = (1_000_000, 10_000_000, 100_000_000)


def main() -> None:
    """Measure every size on one process, one node and two, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, help="default: 1, 10, 100 M")
    sizes = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        sources = {rows: Path(folder, f"in-{rows}") for rows in sizes}
        for rows, source in sources.items():
            make(source, rows)
        print("| rows | without Ray, s | 1 node, s | 2 nodes, s | most memory of an actor, MB |")
        print("| ---: | ---: | ---: | ---: | ---: |")
        told = {rows: [_seconds(source, rows)[0]] for rows, source in sources.items()}
        most = dict.fromkeys(sizes, 0)
        for nodes in (1, 2):
            began = time.monotonic()
            with cluster(nodes) as running:
                started = time.monotonic() - began
                for rows, source in sources.items():
                    seconds, memory = _seconds(source, rows, running)
                    told[rows].append(seconds)
                    most[rows] = max(most[rows], memory)
        for rows in sizes:
            cells = " | ".join(f"{seconds:.1f}" for seconds in told[rows])
            print(f"| {rows:,} | {cells} | {most[rows] / 1e6:.0f} |")
        print(f"\nStarting the cluster of two took {started:.0f} s.")


def _seconds(source: Path, rows: int, on: Cluster | None = None) -> tuple[float, int]:
    """Wall-clock seconds of one run, and the most bytes that an actor held in it."""
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        output = Path(folder, "out")
        ray = ("--ray", on.address) if on else ()
        began, most = time.monotonic(), 0
        with scoring(source, output, *ray) as job:
            while job.poll() is None:
                most = max(most, resident(on.pid)) if on else 0
                time.sleep(0.1)
            seconds = time.monotonic() - began
            error = job.communicate()[1]
        if job.returncode or sum(_rows(output)) != rows:
            raise SystemExit(f"{rows:,} rows were not all scored: {error}")
    return seconds, most


def _rows(output: Path) -> Iterator[int]:
    for path in output.glob("*.parquet"):
        yield pq.read_metadata(path).num_rows


if __name__ == "__main__":
    main()
