"""Start the load and the slow clients in processes of their own, and read what came."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.started import Process, started
from tests.overload.load import HUNG, TURNED_AWAY
from tests.servers import ROOT


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
    def others(self) -> int:
        """How many answers were neither a prediction nor a refusal."""
        return self.failed - self.turned_away - self.hung

    @property
    def failed(self) -> int:
        """How many requests were neither answered nor refused."""
        return self.offered - self.answered - self.refused

    @property
    def overtime(self) -> float:
        """Seconds from when the last request was due until the last was ended."""
        return float(self.samples[:, 1].max() - self.samples[:, 0].max())

    @property
    def p99(self) -> float:
        return self.milliseconds(99)

    @property
    def p99_of_refusals(self) -> float:
        return self.milliseconds(99, 503)

    @property
    def lateness(self) -> float:
        """The p99 of how late the generator sent what was due, in milliseconds."""
        return float(np.percentile(self.samples[:, 4] - self.samples[:, 0], 99) * 1000)

    def milliseconds(self, percent: float, status: int = 200) -> float:
        """A percentile of the times of what ended with this status; NaN when nothing did."""
        ended = self.samples[self.samples[:, 2] == status]
        if not len(ended):
            return float("nan")
        return float(np.percentile(ended[:, 1] - ended[:, 0], percent) * 1000)


@dataclass(frozen=True)
class Offering:
    """A load that is going on."""

    process: Process
    out: Path

    def outcome(self) -> Outcome:
        """Wait for its end, and read what came."""
        assert self.process.wait(300) == 0
        return Outcome(np.loadtxt(self.out, ndmin=2))


@contextmanager
def offered(url: str, rate: float, seconds: float, rows: int, out: Path) -> Iterator[Offering]:
    """Offer this load meanwhile."""
    arguments = [url, str(rate), str(seconds), str(out), "--rows", str(rows)]
    with started([sys.executable, "-m", "tests.overload.load", *arguments], cwd=ROOT) as process:
        yield Offering(process, out)


@contextmanager
def slow_clients(port: int, count: int, kind: str) -> Iterator[None]:
    """So many slow clients meanwhile, all of them connected."""
    command = [sys.executable, "-m", "tests.overload.slow", str(port), str(count), kind]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
