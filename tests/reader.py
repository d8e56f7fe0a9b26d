"""A reader who types every block of a document in a fresh clone, and compares what is shown.

- What is typed: `sh`, line by line in one shell, and `python`.
- A block right below, with nothing between, is what was typed's output; `…` stands for anything.
  Under `<!-- trained -->` its figures may differ by a twentieth: they come from a training, and
  another processor rounds otherwise.
- Any other `json`, `toml` or `yaml` must be that.
- `<!-- not run: why -->` above a block passes it over; tests/project/test_walk.py counts those.

Ports 8000 and 8080 are free ones here, and a service is started when the document starts one
or needs one. The reader has everything installed that the documents offer, so `.venv/service`
is the development environment. What is typed has to name it: on PATH are the system's tools only.
Trainings run in the process of the test, which starts TensorFlow once.
"""

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from benchmarks.started import Process, finished, group, started
from tests.markdown import Block
from tests.needs import PACKAGES, need
from tests.servers import DEV_PYTHON, PATIENCE, ROOT, await_, free_port

SERVES = re.compile(r"(\bmake serve\b|-m service( |$))")
TRAINS = re.compile(r"^(make train\b( ARGS=)?|\S*python -m training\b)")
ASKS = ("localhost:8000", "make predict", "service.client", "Client(")
SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # no environment's tools
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
MAY_DIFFER = 0.05  # of a trained figure

DATA: dict[str, Callable[[str], Any]] = {"toml": tomllib.loads, "yaml": yaml.safe_load}


def clone(folder: Path) -> None:
    """The files of the work tree, and the environments as fresh as `make` wants them."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    environment = DEV_PYTHON.parent.parent
    (folder / ".venv").mkdir()
    for name in ("service", "dev", "uv"):  # with their stamps; nothing is installed
        (folder / ".venv" / name).symlink_to(environment)
    for lock in (folder / "requirements").iterdir():
        os.utime(lock, (0, 0))


@contextmanager
def reading(folder: Path) -> Iterator["Reader"]:
    """A reader, and no more of what the document has started; not of its proxy either."""
    reader = Reader(folder)
    with group(last=f"kill $(cat {folder}/*/*.pid 2>/dev/null) 2>/dev/null"):
        try:
            yield reader
        finally:
            reader.close()


def need_programs(block: Block) -> None:
    """End the test when something that a block calls is missing."""
    for program in PACKAGES:
        if re.search(rf"(^|[|;&(])\s*{program}\b", block.code, re.MULTILINE):
            need(program)


class Reader:
    """Types blocks into a shell whose folder is a clone."""

    def __init__(self, folder: Path) -> None:
        clone(folder)
        self.folder, self.port, self.proxy = folder, free_port(), free_port()
        self.log = folder / "service.log"
        self.state = folder / ".state"  # the shell's variables between two blocks
        self._recall = f"set -a; [ ! -e {self.state} ] || . {self.state}"
        self._serving = ExitStack()
        self.service: Process | None = None
        (folder / ".curlrc").write_text("fail-with-body\n")  # an error is no answer
        own = {"PATH": SYSTEM, "PORT": str(self.port), "WORKERS": "1", "CURL_HOME": str(folder)}
        own["OTEL_EXPORTER_OTLP_TIMEOUT"] = "1"  # nobody takes the traces: no stop waits for it
        # What `make test` tells the makes below it is not for a reader's.
        inherited = {n: value for n, value in os.environ.items() if not n.startswith("MAKE")}
        self.environment = {**inherited, **own}

    def type(self, block: Block) -> str:
        """Its standard output, with port 8000 in it as the document has it."""
        if any(word in block.code for word in ASKS) and not self.service:
            self._serve("make serve")
        code = block.code.replace(":8000", f":{self.port}").replace(":8080", f":{self.proxy}")
        typed = self._python(code) if block.language == "python" else self._shell(code)
        return typed.replace(f":{self.port}", ":8000")

    def _shell(self, code: str) -> str:
        shown = ""
        for act, lines in groupby(code.splitlines(), self._act):
            if act == self._run:
                shown += self._run("\n".join(lines))
            else:
                shown += "".join(map(act, lines))
        return shown

    def _act(self, line: str) -> Callable[[str], str]:
        if TRAINS.match(line):
            return self._train
        return self._serve if SERVES.search(line) else self._run

    def _run(self, lines: str) -> str:
        """Run them with the variables of the blocks before, and leave theirs to the next."""
        script = f"{self._recall}\n{lines}\nexport -p > {self.state}"
        return self._output(["bash", "-euo", "pipefail", "-c", script])

    def _python(self, code: str) -> str:
        if not re.search("import keras|from training", code):
            return self._output([str(DEV_PYTHON), "-c", code])
        # TensorFlow is started here already.
        with redirect_stdout(io.StringIO()) as shown, pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            exec(code, {})  # noqa: S102  the document's own
        return shown.getvalue()

    def _output(self, command: list[str]) -> str:
        done = finished(
            command,
            check=False,
            timeout=2 * PATIENCE,
            cwd=self.folder,
            env=self.environment,
        )
        assert done.returncode == 0, f"ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def _serve(self, line: str) -> str:
        self.close()
        need("curl")
        command = ["bash", "-c", f"{self._recall}\n{line}"]
        self.service = self._serving.enter_context(
            started(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=self._serving.enter_context(self.log.open("ab")),
                stderr=subprocess.STDOUT,
            )
        )
        await_(self._ready, "the service answers")
        return ""

    def _ready(self) -> bool:
        assert self.service
        assert self.service.poll() is None, f"the service ended: {self.log.read_text()}"
        place = f"localhost:{self.port}/readyz"
        asked = (["curl", "-skf", f"{scheme}://{place}"] for scheme in ("http", "https"))
        asking = (subprocess.run(ask, capture_output=True, check=False) for ask in asked)
        return any(answer.returncode == 0 for answer in asking)

    def _train(self, line: str) -> str:
        from training.__main__ import main  # noqa: PLC0415  TensorFlow, for documents that train

        options = shlex.split(TRAINS.sub("", line))
        if line.startswith("make"):
            options = shlex.split(" ".join(options))
        with redirect_stdout(io.StringIO()) as shown, pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            assert main([*options, "--registry", str(self.folder / "models")]) == 0
        published = re.search(r"published (\S+) version (\d+)", shown.getvalue())
        if self.service and published:
            url = f"http://localhost:{self.port}/models/{published[1]}/{published[2]}"
            await_(lambda: requests.get(url, timeout=PATIENCE).ok, "the service has the version")
        return shown.getvalue()

    def close(self) -> None:
        """End the service."""
        with self._serving:
            if self.service and self.service.poll() is None:
                os.killpg(os.getpgid(self.service.pid), signal.SIGTERM)  # that of make, too
                self.service.wait(PATIENCE)
        self.service = None


def alike(expected: str, shown: str, *, trained: bool) -> bool:
    """Whether `shown` is what the document says but for spaces at ends; `…` is anything."""
    pattern, numbers = "", []
    for piece in re.split(r"(…|[-+]?\d+(?:\.\d+)?)", expected.strip()):
        if piece == "…":
            pattern += ".*"
        elif trained and NUMBER.fullmatch(piece):
            pattern += rf"({NUMBER.pattern})"
            numbers.append(float(piece))
        else:
            pattern += re.escape(piece).replace("\\\n", " *\n")
    match = re.fullmatch(pattern, shown.strip(), re.DOTALL)
    if not match:
        return False
    return [float(number) for number in match.groups()] == pytest.approx(numbers, rel=MAY_DIFFER)


def parsed(block: Block) -> None:
    """Raise when a block of data is not what its language says."""
    if block.language == "json":
        try:
            json.loads(block.code)
        except ValueError:
            [json.loads(line) for line in block.code.splitlines()]
    elif block.language in DATA:
        DATA[block.language](block.code)
