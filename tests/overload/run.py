"""Start the load and the slow clients in processes of their own, and read what came."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.overload.load import HUNG, TURNED_AWAY
from tests.serving import ROOT


@dataclass(frozen=True)
class Outcome:
    """What came of a load: one line a request, as tests.overload.load writes it."""

    samples: NDArray[np.float64]

    def count(self, *statuses: int) -> int:
        """How many requests ended with one of these statuses."""
        return int(np.isin(self.samples[:, 2], statuses).sum())

    @property
    def offered(self) -> int:
        return len(self.samples)

    @property
    def answered(self) -> int:
        return self.count(200)

    @property
    def refused(self) -> int:
        return self.count(503)

    @property
    def told_when(self) -> int:
        """How many refusals said when to come again."""
        return int(self.samples[self.samples[:, 2] == 503, 3].sum())

    @property
    def turned_away(self) -> int:
        return self.count(TURNED_AWAY)

    @property
    def hung(self) -> int:
        return self.count(HUNG)

    @property
    def overtime(self) -> float:
        """Seconds from when the last request was due until the last was ended."""
        return float(self.samples[:, 1].max() - self.samples[:, 0].max())

    @property
    def p99(self) -> float:
        return self.milliseconds(99)

    @property
    def lateness(self) -> float:
        """The p99 of how late the generator sent what was due, in milliseconds."""
        return float(np.percentile(self.samples[:, 4] - self.samples[:, 0], 99) * 1000)

    def milliseconds(self, percent: float) -> float:
        """A percentile of the times of what was answered; NaN when nothing was."""
        answered = self.samples[self.samples[:, 2] == 200]
        if not len(answered):
            return float("nan")
        return float(np.percentile(answered[:, 1] - answered[:, 0], percent) * 1000)


@dataclass(frozen=True)
class Offering:
    """A load that is going on."""

    process: subprocess.Popen[bytes]
    out: Path

    def outcome(self) -> Outcome:
        """Wait for its end, and read what came."""
        assert self.process.wait(300) == 0
        return Outcome(np.loadtxt(self.out, ndmin=2))


@contextmanager
def offered(url: str, rate: float, seconds: float, rows: int, out: Path) -> Iterator[Offering]:
    """Offer this load meanwhile."""
    arguments = [url, str(rate), str(seconds), str(out), "--rows", str(rows)]
    process = subprocess.Popen([sys.executable, "-m", "tests.overload.load", *arguments], cwd=ROOT)
    try:
        yield Offering(process, out)
    finally:
        process.kill()
        process.wait()


@contextmanager
def slow_clients(port: int, count: int, kind: str) -> Iterator[None]:
    """So many slow clients meanwhile, all of them connected."""
    command = [sys.executable, "-m", "tests.overload.slow", str(port), str(count), kind]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.terminate()
