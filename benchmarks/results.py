"""Medians over the rounds, and the files in runs/ that hold what was measured."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pydantic import BaseModel

from benchmarks.bodies import Body
from benchmarks.machine import Machine
from benchmarks.measure import Record, Sample
from benchmarks.subjects import ROOT, Subject

RUNS = ROOT / "runs" / "benchmarks"


class NotMeasured(Exception):
    """A figure that this run does not have."""


class Soak(BaseModel):
    """A long run on one worker: bytes (RSS) when it is warm, after 100,000 requests, at its end."""

    minutes: float
    requests: int
    start: int
    after: int | None
    end: int

    @property
    def growth(self) -> float:
        """MB that the worker holds more at its end than when it was warm."""
        return (self.end - self.start) / 1e6


class Crowd(BaseModel):
    """Many clients at once, slow ones, and large requests beside small; times in seconds."""

    refused: int  # answers other than 200, of 1,000 connections opened at once
    last_first: float  # until the last of them had its first answer
    slowest: float  # requests of the slowest of them, of the median's
    busier: dict[int, float]  # the busier worker's share of so many connections
    beside_batches: float  # one row's p99 beside batches, of that alone
    beside_slow: float  # one row's p99 beside slow clients, of that without


class Results:
    """All records of a run, read as medians; what was not measured raises NotMeasured."""

    def __init__(
        self,
        records: Sequence[Record],
        machine: Machine,
        soak: Soak | None = None,
        crowd: Crowd | None = None,
    ) -> None:
        self.machine = machine
        self.failures = {each.subject: each.failure for each in records if each.failure}
        self.rounds = max((each.round for each in records), default=0)
        self._records = [each for each in records if not each.failure]
        self._soak = soak
        self._crowd = crowd

    def has(self, subject: Subject) -> bool:
        """Whether the subject was measured."""
        return any(each.subject == subject.name for each in self._records)

    def sample(self, subject: Subject, body: Body, connections: int) -> Sample:
        """The median of each figure of one cell."""
        found = [
            sample
            for record in self._of(subject)
            for sample in record.samples
            if (sample.body, sample.connections) == (body.name, connections)
        ]
        if not found:
            raise NotMeasured(f"{subject.name}, {body.name}, {connections} connections")
        middle = {
            name: median(getattr(sample, name) for sample in found)
            for name in ("processor", "rate", "p50", "p99")
        }
        return found[0].model_copy(update=middle)

    def processor(self, subject: Subject, body: Body, connections: int) -> float:
        """Microseconds of processor time a request."""
        return self.sample(subject, body, connections).processor

    def rows_a_second(self, subject: Subject, body: Body, connections: int) -> float:
        """Rows answered in a second."""
        return self.sample(subject, body, connections).rate * body.count

    def start(self, subject: Subject) -> float:
        """Seconds from the start to the first answer."""
        return median(each.start for each in self._of(subject))

    def memory(self, subject: Subject) -> tuple[float, float]:
        """PSS and RSS of the largest process, in bytes."""
        found = self._of(subject)
        return median(each.pss for each in found), median(each.rss for each in found)

    @property
    def soak(self) -> Soak:
        """The last soak."""
        if self._soak is None:
            raise NotMeasured("the soak")
        return self._soak

    @property
    def crowd(self) -> Crowd:
        """The last look at many clients."""
        if self._crowd is None:
            raise NotMeasured("many clients")
        return self._crowd

    def _of(self, subject: Subject) -> list[Record]:
        found = [each for each in self._records if each.subject == subject.name]
        if not found:
            raise NotMeasured(subject.name)
        return found


def keep(record: Record, folder: Path = RUNS) -> None:
    """Append one record to the run's file at once: an interrupted run loses nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "records.jsonl").open("a") as file:
        file.write(record.model_dump_json() + "\n")


def records(folder: Path = RUNS) -> list[Record]:
    """What the last run measured; none before the first."""
    path = folder / "records.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [Record.model_validate_json(line) for line in lines]


def results(folder: Path = RUNS) -> Results:
    """The last run, with the machine it ran on and the last soak; raises NotMeasured."""
    machine = folder / "machine.json"
    if not machine.exists():
        raise NotMeasured("there is no run yet; start one with 'make bench'")
    soak, crowd = folder / "soak.json", folder / "crowd.json"
    return Results(
        records(folder),
        Machine.model_validate_json(machine.read_text()),
        Soak.model_validate_json(soak.read_text()) if soak.exists() else None,
        Crowd.model_validate_json(crowd.read_text()) if crowd.exists() else None,
    )
