"""One window of load on a loopback URL, by wrk or, where it is missing, by autocannon."""

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.started import Process, started

SCRIPT = Path(__file__).parent / "post.lua"
LONGEST = 60  # seconds: no window is longer, whatever happens to this process
# What is read of a wrk that was asked to end before it had begun, on a busy machine.
UNREADY = '{"requests":0,"seconds":1,"failed":0,"p50":0,"p99":0}'
INSTALL = "wrk is missing: apt-get install wrk; or install Node.js, so that npx runs autocannon."


class LoadFailed(Exception):
    """A request was not answered with 200, or the generator itself failed."""


@dataclass(frozen=True)
class Window:
    """What the generator counted; p50 and p99 in microseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


def generator() -> str:
    """`wrk`, or `autocannon` where it is missing; raises LoadFailed when neither is there."""
    if shutil.which("wrk"):
        return "wrk"
    if shutil.which("npx"):
        return "autocannon"
    raise LoadFailed(INSTALL)


def run(url: str, body: Path, connections: int, seconds: float) -> Window:
    """POST `body` over so many kept connections; raises LoadFailed on any error or non-200."""
    if generator() == "wrk":
        return read_wrk(_wrk(url, body, connections, seconds))
    return read_autocannon(_autocannon(url, body, connections, seconds))


def _wrk(url: str, body: Path, connections: int, seconds: float) -> str:
    """Wrk counts whole seconds only, but ends early and in order on SIGINT."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{LONGEST}s", "--timeout", f"{LONGEST}s"]
    with started(
        [*command, "-s", SCRIPT, url],
        env={**os.environ, "BODY": str(body)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        output = _interrupted(process, seconds)
    return UNREADY if process.returncode == -signal.SIGINT else output


def _interrupted(process: Process, seconds: float) -> str:
    """The output of wrk, asked to end after so many seconds.

    Asked again until it does: a signal that comes before it sleeps does not shorten its sleep.
    """
    deadline = time.monotonic() + seconds + LONGEST
    while True:
        try:
            return process.communicate(timeout=seconds)[0]
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                raise LoadFailed(f"wrk did not end within {LONGEST} s") from None
            process.send_signal(signal.SIGINT)
            seconds = 0.1


def read_wrk(output: str) -> Window:
    """The line that post.lua prints last."""
    try:
        found = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise LoadFailed(f"wrk failed: {output.strip() or 'it printed nothing'}") from error
    if found["failed"]:
        raise LoadFailed(f"{found['failed']} of {found['requests']} requests failed")
    return Window(found["requests"], found["seconds"], found["p50"], found["p99"])


def _autocannon(url: str, body: Path, connections: int, seconds: float) -> str:
    command = ["npx", "--yes", "autocannon@8", "--json", "-m", "POST", "-i", str(body)]
    shape = ["-c", str(connections), "-d", str(max(1, round(seconds)))]
    header = ["-H", "content-type: application/json", "-t", str(LONGEST)]
    command = [*command, *shape, *header, url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout or done.stderr


def read_autocannon(output: str) -> Window:
    """Autocannon's JSON document; its latencies are in milliseconds."""
    try:
        found = json.loads(output)
    except ValueError as error:
        raise LoadFailed(f"autocannon failed: {output.strip()}") from error
    failed = found["errors"] + found["timeouts"] + found["non2xx"]
    if failed:
        raise LoadFailed(f"{failed} of {found['requests']['total']} requests failed")
    latency = found["latency"]
    return Window(
        found["requests"]["total"], found["duration"], latency["p50"] * 1000, latency["p99"] * 1000
    )
