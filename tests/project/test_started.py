"""What a test starts ends with it, and with the run of tests, whatever ends that."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.started import finished, started
from tests.servers import DEV_PYTHON, PATIENCE, ROOT, await_, runs

TEST = """
import os, signal
from pathlib import Path
from benchmarks.processes import tree
from benchmarks.started import started
from tests.servers import await_, running

LOOPS = ["sh", "-c", "trap '' TERM; while :; do :; done & while :; do :; done"]

def test_it(tmp_path):
    with running(tmp_path, workers=1) as service, started(LOOPS) as shell:
        pids = [service.process.pid, shell.pid]
        await_(lambda: all(len(tree(pid)) > 1 for pid in pids), "they have children")
        Path("{told}").write_text(" ".join(str(each) for pid in pids for each in tree(pid)))
        {end}
"""
ENDS = {"a failing test": "assert False", "a killed run": "os.kill(os.getpid(), signal.SIGKILL)"}


@pytest.fixture
def left() -> Iterator[list[int]]:
    """Processes that this file's own failure must not leave."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("end", ENDS)
def test_no_process_outlives_the_test_that_started_it(
    tmp_path: Path, left: list[int], end: str
) -> None:
    told, test = tmp_path / "told", tmp_path / "test_it.py"
    test.write_text(TEST.format(told=told, end=ENDS[end]))
    own = ("-c", os.devnull, "--rootdir", str(tmp_path), str(test))
    # In no group of its own, whose end would be that of all in it.
    done = subprocess.run(
        [DEV_PYTHON, "-m", "pytest", *own],
        cwd=ROOT,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode, done.stdout
    assert told.exists(), done.stdout
    left += map(int, told.read_text().split())
    assert len(left) > 3
    await_(lambda: not any(map(runs, left)), "they have ended")


def test_a_process_has_its_time_to_end_by_itself(tmp_path: Path) -> None:
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    line = f"trap 'touch {ended}; exit' TERM; touch {ready}; while :; do sleep 0.01; done"
    with started(["sh", "-c", line], grace=PATIENCE):
        await_(ready.exists, "it waits")
    assert ended.exists()


def test_a_command_that_is_given_up_leaves_nothing(tmp_path: Path, left: list[int]) -> None:
    told = tmp_path / "told"
    line = f"sleep 1000 & echo $$ $! > {told}; wait"
    with pytest.raises(subprocess.TimeoutExpired):
        finished(["sh", "-c", line], timeout=1)
    left += map(int, told.read_text().split())
    await_(lambda: not any(map(runs, left)), "they have ended")
