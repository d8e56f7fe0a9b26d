"""Start the load and the slow clients in processes of their own, and read what came."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.started import Process
from tests.servers import beside


@dataclass(frozen=True)
class Outcome:
    """What came of a load: one line a request, as tests.overload.load writes it."""

    samples: NDArray[np.float64]

    def count(self, status: int) -> int:
        """How many requests ended with this status."""
        return int((self.samples[:, 2] == status).sum())

    @property
    def failed(self) -> dict[int, int]:
        """How many were neither answered nor refused, by status; 0: hung, -1: turned away."""
        counted = Counter(map(int, self.samples[:, 2]))
        return {status: many for status, many in counted.items() if status not in {200, 503}}

    @property
    def told_when(self) -> int:
        """How many refusals said when to come again."""
        return int(self.samples[self.samples[:, 2] == 503, 3].sum())

    @property
    def overtime(self) -> float:
        """Seconds from when the last request was due until the last was ended."""
        return float(self.samples[:, 1].max() - self.samples[:, 0].max())

    @property
    def lateness(self) -> float:
        """The p99 of how late the generator sent what was due, in milliseconds."""
        return float(np.percentile(self.samples[:, 4] - self.samples[:, 0], 99) * 1000)

    def __str__(self) -> str:
        return (
            f"{len(self.samples)} offered, sent {self.lateness:.1f} ms late (p99); answered "
            f"{self.count(200)}, p50 {self.milliseconds(50):.1f} p99 {self.milliseconds():.1f} ms; "
            f"refused {self.count(503)}, {self.told_when} told when to come again, p99 "
            f"{self.milliseconds(99, 503):.1f} ms; others {self.failed}"
        )

    def milliseconds(self, percent: float = 99, status: int = 200) -> float:
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
def offered(port: int, rate: float, seconds: float, rows: int) -> Iterator[Offering]:
    """Offer this load meanwhile."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "samples.txt"
        with beside("tests.overload.load", port, rate, seconds, rows, out) as process:
            yield Offering(process, out)


def slow_clients(port: int) -> AbstractContextManager[Process]:
    """A thousand slow clients meanwhile, all of them connected."""
    return beside("tests.overload.slow", port)
