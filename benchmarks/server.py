"""Start a subject on a free port and a core of its own, time its first answer, and end it."""

import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bodies import ONE, VERSION, Body
from benchmarks.processes import on_core
from benchmarks.started import Process, started
from benchmarks.subjects import ROOT, Subject, answer
from service.settings import Settings

PATIENCE = 90.0  # seconds for a start or an answer
GRACE = 10.0  # seconds to end after SIGTERM
SHIPPED = ("calories", "deep", "linear", "linear-unit")
NGINX_CONF = """\
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /predict {{ default_type application/json; return 200 '{answer}'; }}
    }}
}}
"""


class SubjectFailed(Exception):
    """A subject did not start, or did not answer as it must."""


@dataclass(frozen=True)
class Server:
    """A running subject; `start` is seconds from its start to its first answer."""

    subject: Subject
    pid: int
    port: int
    start: float

    def url(self, body: Body) -> str:
        """Where a body goes."""
        return f"http://127.0.0.1:{self.port}{self.subject.path(body)}"

    def post(self, body: Body) -> bytes:
        """The answer to one body; raises SubjectFailed unless its status is 200."""
        return _post(self.port, self.subject.path(body), body.content())


@contextmanager
def serving(
    subject: Subject, core: int, folder: Path, environments: Path = ROOT / ".venv"
) -> Iterator[Server]:
    """The subject from its first answer on; raises SubjectFailed with the end of its output."""
    _require(subject, environments)
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX_CONF.format(port=port, answer=answer().strip()))
    log = folder / "output.log"
    began = time.perf_counter()
    with ExitStack() as until_the_end:
        with log.open("w") as output, on_core(core):
            process = until_the_end.enter_context(
                started(
                    _command(subject, port, folder, environments),
                    grace=GRACE,
                    cwd=ROOT,
                    env=_environment(subject, port, folder),
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            )
        try:
            _await_answer(process, port)
            yield Server(subject, process.pid, port, time.perf_counter() - began)
        except SubjectFailed as error:
            raise SubjectFailed(f"{error}\n{log.read_text()[-2000:]}".strip()) from error


def free_port() -> int:
    """A port of the loopback interface that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def registry(folder: Path) -> Path:
    """A registry of the shipped versions alone: what was trained here would be served instead."""
    root = folder / "registry"
    for model in SHIPPED:
        if not (root / model).exists():
            shutil.copytree(VERSION.parent.parent / model / "1", root / model / "1")
    return root


def _require(subject: Subject, environments: Path) -> None:
    if subject.kind == "service":
        unknown = [n for n in subject.settings if n.lower() not in Settings.model_fields]
        if unknown:
            raise SubjectFailed(f"the service has no setting {', '.join(unknown)}")
    if subject.environment and not (environments / subject.environment).is_dir():
        raise SubjectFailed(
            f"there is no environment {subject.environment}; 'make bench' makes it, "
            "'make bench PEERS=1' those of the peers"
        )
    if not subject.environment and not shutil.which(subject.command[0]):
        name = subject.command[0]
        raise SubjectFailed(f"{name} is missing: apt-get install {name}-light")


def _command(subject: Subject, port: int, folder: Path, environments: Path) -> list[str]:
    filled = [part.format(port=port, folder=folder) for part in subject.command]
    if not subject.environment:
        return filled
    return [str(environments / subject.environment / "bin" / "python"), *filled]


def _environment(subject: Subject, port: int, folder: Path) -> dict[str, str]:
    own = {"PORT": str(port), "HOST": "127.0.0.1", "REGISTRY": str(registry(folder))}
    return {**os.environ, **own, **subject.settings}


def _await_answer(process: Process, port: int) -> None:
    """Return at the first 200; a server may listen before it answers, so the request waits."""
    deadline = time.monotonic() + PATIENCE
    content = ONE.content()
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SubjectFailed(f"it ended with exit code {process.returncode}")
        try:
            _post(port, "/predict", content)
        except (OSError, http.client.HTTPException):
            time.sleep(0.005)
        else:
            return
    raise SubjectFailed(f"it did not answer within {PATIENCE:.0f} s")


def _post(port: int, path: str, content: bytes) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", path, content, {"Content-Type": "application/json"})
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise SubjectFailed(f"POST {path} was answered with {response.status}: {received[:200]!r}")
    return received
