"""Processes that end with the block that started them, with all that they started.

That holds whatever happens: a test fails, or the run of tests is killed, so that none of its lines
run any more. Each process is started in a group that a keeper leads: a shell that waits for the
end of a pipe, which this process alone holds open, and then kills its group. What leaves its group,
as a daemon does, is not ended.
"""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

Process = subprocess.Popen[str]

KEEPER = "trap '' HUP INT QUIT TERM; read -r _; {last}; kill -KILL 0"


@contextmanager
def group(last: str = ":") -> Iterator[int]:
    """The number of a process group that is killed after the block, or when this process has ended.

    Before that, `last` is run: a line of shell.
    """
    keeper = ["/bin/sh", "-c", KEEPER.format(last=last)]
    with subprocess.Popen(keeper, stdin=subprocess.PIPE, process_group=0) as leader:
        yield leader.pid


@contextmanager
def started(command: Sequence[object], *, grace: float = 0, **options: Any) -> Iterator[Process]:
    """A process, with the options of Popen; after the block it gets SIGTERM and `grace` seconds."""
    words = list(map(str, command))
    with (
        group() as number,
        subprocess.Popen(words, process_group=number, text=True, **options) as process,
    ):
        try:
            yield process
        finally:
            if grace:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(grace)
            process.kill()


def finished(
    command: Sequence[object], *, check: bool = True, timeout: float | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """What came of a command, its output captured; raises as subprocess.run does."""
    pipe = subprocess.PIPE
    with started(command, stdout=pipe, stderr=pipe, **options) as process:
        output, errors = process.communicate(timeout=timeout)
    done = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
    if check:
        done.check_returncode()
    return done
