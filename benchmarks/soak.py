"""python -m benchmarks.soak: minutes of load on one worker, its memory watched."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from benchmarks import load
from benchmarks.bodies import BATCHES, ONE
from benchmarks.processes import memory, tree
from benchmarks.results import RUNS, Soak
from benchmarks.server import Server, SubjectFailed, serving
from benchmarks.subjects import ROOT, SERVICE
from benchmarks.targets import GROWTH

CONNECTIONS = 16
SLICE = 2.0  # seconds between two looks at the memory
MANY = 100_000  # requests
BODIES = (ONE, ONE, ONE, *(body for body in BATCHES if body.count == 100))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak and keep what it found; returns 1 when it failed or the worker grew too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="default: 10")
    options = parser.parse_args(arguments)
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            found = soak(cores[0], Path(folder), options.minutes)
    except (load.LoadFailed, SubjectFailed) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / "soak.json").write_text(found.model_dump_json(indent=2))
    print(_sentence(found))
    return 0 if GROWTH.met(found.growth) else 1


def soak(core: int, folder: Path, minutes: float, environments: Path = ROOT / ".venv") -> Soak:
    """Send one row and 100 rows in turn; the first turn warms up and is not counted."""
    for number, body in enumerate(BODIES):
        (folder / f"{number}.json").write_bytes(body.content())
    with serving(SERVICE, core, folder, environments) as server:
        for number in range(len(BODIES)):
            _load(server, folder, number)
        start, after, requests = _memory(server), None, 0
        deadline = time.monotonic() + minutes * 60
        for number in cycle(range(len(BODIES))):
            requests += _load(server, folder, number)
            if after is None and requests >= MANY:
                after = _memory(server)
            if time.monotonic() > deadline:
                break
            _tell(requests, _memory(server), deadline)
        end = _memory(server)
    return Soak(minutes=minutes, requests=requests, start=start, after=after, end=end)


def _load(server: Server, folder: Path, number: int) -> int:
    """Send one of BODIES for a slice; the number of requests."""
    url = server.url(BODIES[number])
    return load.run(url, folder / f"{number}.json", CONNECTIONS, SLICE).requests


def _memory(server: Server) -> int:
    """Bytes the worker holds, pages that it shares counted whole."""
    return max(memory(pid).rss for pid in tree(server.pid))


def _tell(requests: int, held: int, deadline: float) -> None:
    left = max(0.0, deadline - time.monotonic())
    line = f"\r{requests:,} requests, {held / 1e6:.1f} MB, {left:.0f} s left "
    print(line, end="", file=sys.stderr, flush=True)


def _sentence(found: Soak) -> str:
    after = f"{found.after / 1e6:.1f} MB after {MANY:,} requests, " if found.after else ""
    return (
        f"\nA worker held {found.start / 1e6:.1f} MB warm, {after}"
        f"{found.end / 1e6:.1f} MB after {found.requests:,} in {found.minutes:g} minutes: "
        f"it grew by {found.growth:.2f} MB, of {GROWTH.bound:g} that it may."
    )


if __name__ == "__main__":
    sys.exit(main())
