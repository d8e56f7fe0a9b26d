"""python -m benchmarks.engine: one call of each shipped version's engine, on one thread."""

import os
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.bodies import INPUTS, rows
from models.manifest import TWIN, Manifest
from models.registry import SHELF, Registry
from service.serving.engines.litert import LiteRT

COUNTS = (1, 100, 1_000, 100_000)
SECONDS = 0.1  # of a window
WINDOWS = 9  # the best of several is what a call costs when nothing disturbs it
LIMITS = {1: 5.0, 1_000: 100.0}  # microseconds that a call of `calories` may take


def main() -> int:
    """Print a table of microseconds a call; returns 1 when `calories` is over a limit."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    registry = Registry(SHELF)
    print("| model | rows | µs a call | µs a row |\n| --- | ---: | ---: | ---: |")
    over = []
    for model in registry.models():
        for count, found in costs(registry, registry.manifest(model, 1)).items():
            print(f"| {model} | {count:,} | {found:,.1f} | {found / count:.3f} |")
            if model == "calories" and found > LIMITS.get(count, found):
                over.append(f"{count:,} rows take {found:.1f} µs, not {LIMITS[count]:g} or less")
    for sentence in over:
        print(f"engine: {sentence}", file=sys.stderr)
    return 1 if over else 0


def costs(registry: Registry, manifest: Manifest) -> dict[int, float]:
    """Microseconds a call, by the number of rows."""
    engine = LiteRT(registry.read(manifest, TWIN), manifest.output_names)
    columns = [INPUTS.index(name) for name in manifest.input_names]
    found = {}
    for count in COUNTS:
        features = np.ascontiguousarray(rows(count)[:, columns], np.float32)
        found[count] = best(lambda features=features: engine.predict(features))  # type: ignore[misc]
    return found


def best(call: Callable[[], object], windows: int = WINDOWS, seconds: float = SECONDS) -> float:
    """Microseconds of one call: the best window, each long enough to be timed well."""
    call()
    began = time.perf_counter()
    call()
    repeats = max(1, int(seconds / (time.perf_counter() - began)))
    found = []
    for _ in range(windows):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        found.append((time.perf_counter() - began) / repeats)
    return min(found) * 1e6


if __name__ == "__main__":
    sys.exit(main())
