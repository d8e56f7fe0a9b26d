"""Run the service under load, with changes and without, and judge what was answered."""

import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import requests
from numpy.typing import NDArray

from models.registry import Registry
from tests.long_form import not_kept
from tests.servers import PATIENCE, Server, await_, memory_of, running
from tests.soak.changes import MODEL, Changes
from tests.soak.load import loaded

POLL = 0.2  # seconds between two looks at the registry
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
    """What a soak found; times in seconds, memory in MB."""

    requests: int
    changes: int
    versions: int  # that answered
    refused: int  # were no 200
    wrong: int  # had another version's number
    late: int  # were by a version that was not live
    lag: float  # until a version last answered, after its label had moved on
    p99_quiet: float
    p99_changing: float
    memory: tuple[float, ...]  # of the largest worker after each round
    states: list[str]  # of the versions at the end

    def broken(self) -> list[str]:
        """A sentence for each promise of docs/live-versions.md that was not kept."""
        ratio = self.p99_changing / self.p99_quiet
        growth = self.memory[-1] - self.memory[(len(self.memory) - 1) // 2]
        return not_kept(
            {
                f"Of {self.requests} answers {self.refused} was no 200.": not self.refused,
                f"{self.wrong} had another version's number.": not self.wrong,
                f"{self.late} was by a version that was not live.": not self.late,
                f"The p99 was {ratio:.1f} times the p99 of the pauses.": ratio <= RATIO,
                f"A worker grew by {growth:.1f} MB in the second half.": growth <= GROWTH,
            }
        )

    def __str__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in asdict(self).items())


def soak(folder: Path, shipped: Registry, plan: Plan) -> Findings:
    """Start the service on a registry of its own and put it through the plan."""
    root = folder / "registry"
    shutil.copytree(shipped.root, root, ignore=shutil.ignore_patterns(MODEL))
    changes, quiet, memory = Changes(Registry(root), shipped), [], []
    changes.do(changes.publish)
    with running(folder, workers=plan.workers, registry=root, poll_seconds=POLL) as service:
        with loaded(service.port, plan.connections, plan.pause) as load:
            for _ in range(plan.rounds):
                until = time.monotonic() + plan.changing
                while (began := time.monotonic()) < until:
                    changes.step()
                    time.sleep(max(0.0, began + plan.every - time.monotonic()))
                time.sleep(POLL + GRACE)
                began = time.monotonic()
                time.sleep(plan.quiet)
                quiet.append((began, time.monotonic()))
                memory.append(max(map(resident, service.workers())))
        states = states_at_rest(service)
    return judge(load.samples, changes, quiet, tuple(memory), states)


def judge(
    samples: NDArray[np.float64],
    changes: Changes,
    quiet: list[tuple[float, float]],
    memory: tuple[float, ...],
    states: list[str],
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


def states_at_rest(service: Server) -> list[str]:
    """The states of the versions, once nothing is loading or unloading any more."""
    states: list[str] = []

    def settled() -> bool:
        model = requests.get(f"{service.url}/models/{MODEL}", timeout=PATIENCE).json()
        states[:] = sorted(version["state"] for version in model["versions"])
        return not {*states} & {"loading", "unloading"}

    await_(settled, "what is not served any more has been let go")
    return states
