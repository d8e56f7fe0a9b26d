"""Processor time and memory of a process and all below it, from the operating system (Linux)."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED, the low bits of a processor clock's id in Linux


@dataclass(frozen=True)
class Memory:
    """Bytes: `rss` counts pages shared with others whole, `pss` by its share of them."""

    rss: int
    pss: int


def tree(pid: int) -> list[int]:
    """`pid` and every process below it."""
    return [pid, *(each for child in children(pid) for each in tree(child))]


def children(pid: int) -> list[int]:
    """The direct children of `pid`, whichever of its threads started them; none when it ended."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def processor_seconds(pid: int) -> float:
    """User and system time of the whole tree, its ended and reaped children included.

    Each living process is asked through its processor clock, which counts nanoseconds and
    the threads that have ended; /proc's own figures come in ticks of 10 ms.
    """
    return sum(_clock(each) + _reaped(each) for each in tree(pid))


def memory(pid: int) -> Memory:
    """The memory of one process."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split()[0]: line.split()[1] for line in lines[1:]}
    return Memory(rss=int(sizes["Rss:"]) * 1024, pss=int(sizes["Pss:"]) * 1024)


def settle(pid: int, patience: float = 20.0) -> None:
    """Return once the tree rests: what a load left behind must not be billed to the next.

    It rests when it has used next to nothing and no thread of it waits for the processor.
    """
    deadline = time.monotonic() + patience
    before = processor_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.03)
        now = processor_seconds(pid)
        if now - before < 0.002 and not any(_runnable(each) for each in tree(pid)):
            return
        before = now


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Run on one core; what is started meanwhile stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _runnable(pid: int) -> bool:
    """Whether a thread runs or waits for the processor."""
    try:
        stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:
        return False  # it has just ended
    return any(stat.rpartition(")")[2].split()[0] == "R" for stat in stats)


def _clock(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | CLOCK_OF_PROCESS)
    except OSError:
        return 0.0  # it has just ended: its parent has reaped its time


def _reaped(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) / TICKS  # cutime and cstime, see proc(5)
