"""The cluster and the command, run in the environment that has Ray."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmarks.started import Process, started

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

# Without this, Ray would use the address of the network card even for this machine alone.
LOOPBACK = {**os.environ, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
PYTHON = ROOT / ".venv" / "scale" / "bin" / "python"


class Cluster:
    """A running cluster of one-core nodes on loopback."""

    def __init__(self, pid: int, orders: IO[str], told: IO[str]) -> None:
        self.pid = pid
        self._orders = orders
        self._told = told
        self.address = self._told.readline().strip()

    def kill_a_node(self) -> None:
        """End one node without a word to the others; returns when it is gone."""
        self._orders.write("kill\n")
        self._orders.flush()
        while self._told.readline().strip() != "killed":
            pass


@contextmanager
def cluster(nodes: int) -> Iterator[Cluster]:
    """A cluster of `nodes` nodes that is gone afterwards."""
    command = [str(PYTHON), str(HERE / "cluster.py"), str(nodes)]
    with started(
        command,
        cwd=ROOT,
        env=LOOPBACK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield Cluster(process.pid, process.stdin, process.stdout)  # type: ignore[arg-type]  # piped
        finally:
            process.communicate(timeout=60)


@contextmanager
def scoring(*arguments: object) -> Iterator[Process]:
    """`python -m service.batch`, started; it does not outlive its test."""
    command = [str(PYTHON), "-m", "service.batch", *map(str, arguments)]
    pipe = subprocess.PIPE
    with started(command, cwd=ROOT, env=LOOPBACK, stdout=pipe, stderr=pipe) as process:
        yield process


def resident(pid: int) -> int:
    """The most memory in bytes that any scoring actor below a process holds now."""
    tree: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        tree.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, most = [pid], 0
    while found:
        each = found.pop()
        found += tree.get(each, [])
        most = max(most, _memory(each))
    return most


def _memory(pid: int) -> int:
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text()
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except OSError:
        return 0
    return int(pages) * 4096 if title.startswith("ray::") and "Map" in title else 0
