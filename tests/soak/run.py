"""Run the service under load, with changes and without, and judge what was answered."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.started import started
from models.registry import Registry
from tests.servers import PATIENCE, ROOT, Server, await_, memory_of, running
from tests.soak.changes import Changes, copy_shipped

POLL = 0.5  # seconds between two looks at the registry
GRACE = 1.0  # seconds a worker may need beyond that to load a version, on a busy machine
RATIO = 1.5  # times the p99 of the pauses, at most, while versions change
GROWTH = 2.0  # MB, at most, in the second half: in the first, metrics of what is gone gather


@dataclass(frozen=True)
class Plan:
    """Rounds of changes every `every` seconds for `changing` seconds, then `quiet` seconds."""

    rounds: int
    changing: float
    quiet: float
    every: float = 2.0
    workers: int = 4
    connections: int = 16
    pause: float = 0.02


@dataclass(frozen=True)
class Findings:
    """What a soak found; times in seconds, memory in MB a worker."""

    requests: int
    changes: int
    versions: int
    refused: int
    wrong: int
    late: int
    lag: float
    p99_quiet: float
    p99_changing: float
    memory: tuple[float, ...]
    states: dict[str, int]

    @property
    def ratio(self) -> float:
        """The p99 while versions change, beside that in the pauses between."""
        return self.p99_changing / self.p99_quiet

    @property
    def growth(self) -> float:
        """MB by which the largest worker grew in the second half of the rounds."""
        return self.memory[-1] - self.memory[(len(self.memory) - 1) // 2]

    def broken(self) -> list[str]:
        """The promises of docs/live-versions.md that this soak did not see kept."""
        kept = {
            "every answer is a 200": not self.refused,
            "every answer has its version's number": not self.wrong,
            "every answer is by a version that is live": not self.late,
            f"the p99 is at most {RATIO} times that of the pauses": self.ratio <= RATIO,
            f"a worker grows by {GROWTH:g} MB at most": self.growth <= GROWTH,
        }
        return [promise for promise, is_kept in kept.items() if not is_kept]

    def __str__(self) -> str:
        memory = " ".join(f"{each:.1f}" for each in self.memory)
        return (
            f"{self.requests} requests, {self.changes} changes, {self.versions} versions answered\n"
            f"not 200: {self.refused}; another version's number: {self.wrong}; "
            f"by a version that was not live: {self.late}\n"
            f"a version last answered {self.lag:.2f} s after its label had moved on\n"
            f"p99 {1000 * self.p99_quiet:.1f} ms quiet, {1000 * self.p99_changing:.1f} ms while "
            f"versions change: {self.ratio:.2f} times\n"
            f"memory of the largest worker after each round: {memory} MB\n"
            f"at the end: {self.states}"
        )


def soak(folder: Path, shipped: Path, plan: Plan) -> Findings:
    """Start the service on a registry of its own and put it through the plan."""
    changes = Changes(copy_shipped(shipped, folder / "registry"), Registry(shipped))
    changes.start()
    settings: dict[str, Any] = {
        "workers": plan.workers,
        "registry": changes.registry.root,
        "poll_seconds": POLL,
    }
    out = folder / "samples.txt"
    quiet: list[tuple[float, float]] = []
    memory = []
    with running(folder, **settings) as service:
        with loaded(service.port, plan, out):
            for _ in range(plan.rounds):
                change(changes, plan)
                time.sleep(POLL + GRACE)
                began = time.monotonic()
                time.sleep(plan.quiet)
                quiet.append((began, time.monotonic()))
                memory.append(max(map(resident, service.workers())))
        states = count_states(service)
    return judge(np.loadtxt(out, ndmin=2), changes, quiet, tuple(memory), states)


def change(changes: Changes, plan: Plan) -> None:
    """Change the registry at a steady beat."""
    until = time.monotonic() + plan.changing
    while (began := time.monotonic()) < until:
        changes.step()
        time.sleep(max(0.0, began + plan.every - time.monotonic()))


@contextmanager
def loaded(port: int, plan: Plan, out: Path, by: str = "tests.soak.load") -> Iterator[None]:
    """Load from another process, so that it does not wait for this one."""
    arguments = map(str, (port, plan.connections, plan.pause, out))
    command = [sys.executable, "-m", by, *arguments]
    with started(command, cwd=ROOT) as process:
        time.sleep(1)  # Python starts, and each worker meets its first requests
        yield
        process.terminate()
        assert process.wait(PATIENCE) == 0


def judge(
    samples: NDArray[np.float64],
    changes: Changes,
    quiet: list[tuple[float, float]],
    memory: tuple[float, ...],
    states: dict[str, int],
) -> Findings:
    """Hold each answer against the spans in which its version was live."""
    began, ended, status, version, calories = samples.T[:5]
    answered = status == 200
    expected = np.array([changes.expected.get(int(v), np.nan) for v in version])
    wrong = answered & ~(np.abs(calories - expected) < 1e-3)
    behind = np.full(len(samples), np.inf)  # seconds after its version's last span
    for which, since, until in changes.spans():
        inside = (version == which) & (ended >= since)
        behind[inside] = np.minimum(behind[inside], np.maximum(0, began[inside] - until))
    late = answered & (behind > POLL + GRACE)
    still = np.any([(began >= since) & (ended <= until) for since, until in quiet], axis=0)
    seconds = ended - began
    return Findings(
        requests=len(samples),
        changes=changes.done,
        versions=len(np.unique(version[answered])),
        refused=int((~answered).sum()),
        wrong=int(wrong.sum()),
        late=int(late.sum()),
        lag=float(behind[answered & np.isfinite(behind)].max()),
        p99_quiet=float(np.percentile(seconds[still], 99)),
        p99_changing=float(np.percentile(seconds[~still], 99)),
        memory=memory,
        states=states,
    )


def resident(pid: int) -> float:
    """The resident memory of a process, in MB."""
    return memory_of(pid)["VmRSS"] / 1e6


def count_states(service: Server) -> dict[str, int]:
    """How many versions are in which state, once nothing is loading or unloading any more."""
    import requests  # noqa: PLC0415  the load process does without it

    counted: dict[str, int] = {}

    def settled() -> bool:
        model = requests.get(f"{service.url}/models/calories", timeout=PATIENCE).json()
        states = [version["state"] for version in model["versions"]]
        counted.clear()
        counted.update({state: states.count(state) for state in sorted(set(states))})
        return not counted.keys() & {"loading", "unloading"}

    await_(settled, "what is not served any more has been let go")
    return counted
