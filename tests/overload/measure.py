"""What a server does at its capacity, beyond it, and beside slow clients."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import requests

from service.settings import Settings
from tests.long_form import not_kept
from tests.overload.run import Outcome, offered, slow_clients
from tests.servers import Server, running

ROWS = 200  # so that a request costs the service several times what it costs to ask
FIRST, STEP = 200.0, 1.25  # requests a second to begin with, and how they grow
CARRIED = 0.99  # of what is asked; a machine that paused for a moment is not at its limit
LATE = 0.5  # seconds after the last request: what still waits then was too much
TIMES = 2.0  # the overload, in capacities
# The load goes first, as if it came from another machine: who asks late measures itself.
YIELDING = "nice -n 10"
# What is promised: times the p99 when quiet, on top of MAX_WAIT_SECONDS; times that beside slow
# clients; seconds.
OVERLOADED, BESIDE_SLOW, RECOVERY = 3.0, 1.5, 1.0
WATCHING = ("/healthz", "/metrics", "/readyz")


@dataclass(frozen=True)
class Findings:
    """Rates a second, times in milliseconds, recovery in seconds."""

    capacity: float
    overload: Outcome
    health: tuple[float, ...]
    recovery: float
    quiet: tuple[Outcome, ...]
    slow: tuple[Outcome, ...]

    @property
    def longest(self) -> float:
        """The p99 that is promised of what is answered under overload."""
        wait: float = Settings.model_fields["max_wait_seconds"].default
        return wait * 1000 + OVERLOADED * _p99(self.quiet)

    @property
    def beside_slow(self) -> float:
        """The p99 beside slow clients, in times that without them."""
        return _p99(self.slow) / _p99(self.quiet)

    @property
    def crowded(self) -> Outcome:
        """All that was asked beside slow clients."""
        return Outcome(np.concatenate([each.samples for each in self.slow]))

    def broken(self) -> list[str]:
        """A sentence for each promise of docs/reliability.md that was not kept.

        Where nothing came to compare with, which is NaN, it was not.
        """
        over, beside, failed = self.overload, self.crowded, sum(map(math.isinf, self.health))
        p99, refusals, refused = over.milliseconds(), over.milliseconds(99, 503), over.count(503)
        carried, times, well = beside.count(200) / len(beside.samples), self.beside_slow, RECOVERY
        return not_kept(
            {
                f"Neither answered nor refused: {over}.": not over.failed,
                f"Not all were told when to come again: {over}.": over.told_when == refused,
                f"Refusals came later than answers: {over}.": refused == 0 or refusals <= p99,
                f"{failed} of {len(self.health)} health checks failed.": failed == 0,
                f"All was well {self.recovery:.2f} s after the overload.": self.recovery <= well,
                f"The p99 under overload was {p99:.1f} ms, not within {self.longest:.1f}.": (
                    p99 <= self.longest
                ),
                f"Beside slow clients neither answered nor refused: {beside}.": not beside.failed,
                f"Beside slow clients {carried:.0%} were answered.": carried >= CARRIED,
                f"The p99 beside slow clients was {times:.1f} times that without.": (
                    times <= BESIDE_SLOW
                ),
            }
        )

    def __str__(self) -> str:
        return (
            f"It carries {self.capacity:.0f} requests a second of {ROWS} rows\n"
            f"{TIMES:g} times that: {self.overload}; promised: {self.longest:.1f} ms\n"
            f"health: {sum(map(math.isfinite, self.health))} of {len(self.health)} answered, "
            f"the slowest in {max(self.health):.0f} ms; recovered after {self.recovery:.2f} s\n"
            f"half the capacity: p99 {_p99(self.quiet):.1f} ms, beside 1,000 slow clients "
            f"{_p99(self.slow):.1f} ms, {self.beside_slow:.1f} times: {self.crowded}"
        )


def _p99(outcomes: tuple[Outcome, ...]) -> float:
    return median(each.milliseconds() for each in outcomes)


def measure(folder: Path, registry: Path, seconds: float) -> Findings:
    """Put a server through all of it; `seconds` of overload."""
    with running(folder, under=YIELDING, registry=registry, workers=2) as server:
        capacity = _capacity(server)
        overload, health, recovery = _overload(server, TIMES * capacity, seconds)
        quiet, slow = [], []
        for _ in range(3):  # side by side, for other work on the machine comes and goes
            quiet.append(_offer(server, capacity / 2, 5))
            with slow_clients(server.port):
                slow.append(_offer(server, capacity / 2, 5))
    return Findings(capacity, overload, health, recovery, tuple(quiet), tuple(slow))


def _offer(server: Server, rate: float, seconds: float) -> Outcome:
    with offered(server.port, rate, seconds, ROWS) as offering:
        return offering.outcome()


def _capacity(server: Server) -> float:
    """The highest rate that is carried: nearly all is answered, and hardly anything waits then."""
    rate = FIRST
    while any(_carried(_offer(server, rate, 3)) for _ in range(2)):
        rate *= STEP
    return rate / STEP


def _carried(outcome: Outcome) -> bool:
    return outcome.count(200) >= CARRIED * len(outcome.samples) and outcome.overtime < LATE


def _overload(
    server: Server, rate: float, seconds: float
) -> tuple[Outcome, tuple[float, ...], float]:
    """The outcome, how long health took meanwhile (ms), and how long until all was well again."""
    health: list[float] = []
    with offered(server.port, rate, seconds, ROWS) as offering:
        while offering.process.poll() is None:
            health += [_health(server, path) for path in WATCHING]
            time.sleep(0.2)
        ended = time.monotonic()
        while server.predict().status_code != 200:
            pass
        recovered = time.monotonic()
        outcome = offering.outcome()
    return outcome, tuple(health), outcome.overtime + recovered - ended


def _health(server: Server, path: str) -> float:
    """Milliseconds until the answer; infinite when it was another than 200 or none came."""
    began = time.monotonic()
    try:
        answer = requests.get(server.url + path, timeout=10)
    except requests.RequestException:
        return math.inf
    return (time.monotonic() - began) * 1000 if answer.ok else math.inf
