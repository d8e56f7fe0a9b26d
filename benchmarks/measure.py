"""Rounds over the subjects: each is started, checked, loaded, weighed and ended in every round.

So the subjects are interleaved, each has the machine to itself, and what the machine does
meanwhile falls on all of them alike.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from benchmarks import load
from benchmarks.bodies import Body, WrongAnswer
from benchmarks.processes import memory, processor_seconds, settle, tree
from benchmarks.server import Server, SubjectFailed, registry, serving
from benchmarks.subjects import Cell, Subject

WARM_UP = 0.15  # seconds before each window
LONGEST = 10.0  # seconds of the longest window
FEWEST = 25  # requests a window must hold: those cut off at its end are billed and not counted


@dataclass(frozen=True)
class Plan:
    """How the machine is used: the core of the servers, where environments are, seconds."""

    core: int
    environments: Path
    seconds: float = 0.6  # of a window for one row; larger bodies have a third of it


class Sample(BaseModel):
    """One cell in one round; `processor`, `p50` and `p99` are microseconds."""

    body: str
    connections: int
    rows: int
    processor: float
    rate: float
    p50: float
    p99: float


class Record(BaseModel):
    """One subject in one round: seconds to its first answer, bytes of its largest process."""

    round: int
    subject: str
    start: float = 0.0
    rss: int = 0
    pss: int = 0
    samples: list[Sample] = []
    failure: str = ""


def measure(
    subjects: Sequence[Subject],
    rounds: int,
    plan: Plan,
    done: Iterable[tuple[int, str]],
    keep: Callable[[Record], None],
) -> None:
    """Give a Record of each subject and round to `keep`, leaving out those already `done`.

    A subject that fails is recorded with its reason and left out of the rounds that follow.
    """
    finished = set(done)
    failed: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for turn in range(1, rounds + 1):
            for subject in subjects:
                if (turn, subject.name) in finished or subject.name in failed:
                    continue
                record = _one(subject, turn, plan, Path(folder))
                if record.failure:
                    failed.add(subject.name)
                keep(record)
                _tell(record, rounds)


def _one(subject: Subject, turn: int, plan: Plan, folder: Path) -> Record:
    record = Record(round=turn, subject=subject.name)
    registry(folder)
    try:
        with serving(subject, plan.core, folder, plan.environments) as server:
            record.start = server.start
            for body in dict.fromkeys(cell.body for cell in subject.cells):
                _check(server, body)
            record.samples = [_sample(server, cell, plan, folder) for cell in subject.cells]
            sizes = [memory(pid) for pid in tree(server.pid)]
            largest = max(sizes, key=lambda size: size.rss)
            record.rss, record.pss = largest.rss, largest.pss
    except (SubjectFailed, WrongAnswer, load.LoadFailed, OSError) as error:
        record.failure = f"{error}"
    return record


def _check(server: Server, body: Body) -> None:
    try:
        body.check(server.post(body))
    except (WrongAnswer, KeyError, ValueError) as error:
        raise WrongAnswer(f"{body.name}: {error!r}") from error


def _sample(server: Server, cell: Cell, plan: Plan, folder: Path) -> Sample:
    """Warm up, then load the rested server for a window; again if it held too few requests."""
    body, url = folder / "body.json", server.url(cell.body)
    body.write_bytes(cell.body.content())
    enough = max(FEWEST, 2 * cell.connections)
    rate = _warm_up(url, body, cell.connections)
    seconds = max(plan.seconds if cell.body.count == 1 else plan.seconds / 3, enough / rate)
    while True:
        seconds = min(seconds, LONGEST)
        settle(server.pid)
        before = processor_seconds(server.pid)
        window = load.run(url, body, cell.connections, seconds)
        used = processor_seconds(server.pid) - before
        if window.requests >= enough / 2 or seconds == LONGEST:
            break
        seconds *= 3
    if not window.requests:
        raise SubjectFailed(f"{cell.body.name}: no request was answered in {window.seconds:.1f} s")
    return Sample(
        body=cell.body.name,
        connections=cell.connections,
        rows=cell.body.count,
        processor=used / window.requests * 1e6,
        rate=window.requests / window.seconds,
        p50=window.p50,
        p99=window.p99,
    )


def _warm_up(url: str, body: Path, connections: int) -> float:
    """Requests a second; a slow subject is given longer, until it has answered something."""
    seconds = WARM_UP
    while seconds <= LONGEST:
        window = load.run(url, body, connections, seconds)
        if window.requests:
            return window.requests / window.seconds
        seconds *= 2
    raise SubjectFailed(f"nothing was answered in {seconds / 2:.0f} s of warm-up")


def _tell(record: Record, rounds: int) -> None:
    what = record.failure or f"first answer after {record.start:.2f} s"
    if record.samples:
        what += f", one row {record.samples[0].processor:.0f} µs at 1 connection"
    print(
        f"{time.strftime('%H:%M:%S')} round {record.round} of {rounds}, {record.subject}: {what}",
        file=sys.stderr,
    )
