"""The compose file on a real engine, as a project of its own that meets no other on the machine."""

import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from benchmarks.started import Process, started
from tests.servers import PATIENCE, ROOT, ROW, await_, free_port

# Files that the surroundings add, such as one that builds on the host's network.
ADDED = tuple(Path(each) for each in os.environ.get("COMPOSE_FILE", "").split(":")[1:])
DOCKER = shutil.which("docker") or "docker"
ROWS = re.compile(r"^calories_rows_total\{.*\} (\d+)", re.MULTILINE)
IMAGES = ("service", "training")
REPLICAS = "deploy/replicas.yml"
SAVED_MODEL = "service-saved-model"  # built and started only when its profile is asked for
# A training on a machine that has other work; `await_` is made for shorter things.
TRAINING_SECONDS = 300

# What the first process of a container may do, as Python code to run inside.
LOOK = """
import json, os
def refused(path):
    try:
        open(path, "w")
    except OSError as error:
        return error.strerror
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
print(json.dumps({
    "user": status["Uid"].split(),
    "capabilities": [int(status[each], 16) for each in ("CapPrm", "CapEff", "CapBnd")],
    "privileges": status["NoNewPrivs"].strip(),
    "first": open("/proc/1/cmdline").read().replace(chr(0), " "),
    "root": refused("/written"),
    "registry": refused("/registry/written"),
    "tmp": refused("/tmp/written"),
}))
"""
# What the service in its container answers, on one line; the image has no curl.
ASK = """
import json, urllib.request as u
body = {body!r} and {body!r}.encode()
asked = u.Request("http://127.0.0.1:8000/{path}", body, {{"Content-Type": "application/json"}})
print(json.dumps(u.urlopen(asked).read().decode()))
"""


def tell(what: str) -> None:
    """A line of the run's own report, which .ci/run shows."""
    print(f"compose: {what}", flush=True)


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    tell(f"{what} took {time.monotonic() - began:.0f} s")


def engine_answers() -> bool:
    """Whether there is Docker with compose, and an engine that it reaches."""
    asked = ([DOCKER, "info"], [DOCKER, "compose", "version"])
    runs = (subprocess.run(it, check=False, capture_output=True).returncode == 0 for it in asked)
    return shutil.which(DOCKER) is not None and all(runs)


def docker(*arguments: str, check: bool = True, **options: Any) -> str:
    """What a command of Docker prints; AssertionError with what it says when it fails."""
    ran: subprocess.CompletedProcess[str] = subprocess.run(
        [DOCKER, *arguments], capture_output=True, text=True, check=False, **options
    )
    assert not check or ran.returncode == 0, f"docker {' '.join(arguments)}: {ran.stderr[-3000:]}"
    return ran.stdout


@dataclass(frozen=True)
class Compose:
    """A project: the compose files of a checkout, with images and volumes named for the project."""

    project: str
    files: tuple[Path, ...]
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _options(self) -> dict[str, Any]:
        own = {"PORT": str(self.port), "SAVED_MODEL_PORT": "0"}  # 0: any free one
        return {"cwd": self.folder, "env": {**os.environ, **own}}

    def _arguments(self, line: str) -> list[str]:
        files = [part for file in self.files for part in ("-f", str(file))]
        return ["compose", "-p", self.project, *files, *line.split()]

    def started(self, line: str) -> AbstractContextManager[Process]:
        """A command of compose that is not waited for."""
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return started([DOCKER, *self._arguments(line)], **output, **self._options)

    def run(self, line: str, *more: str, check: bool = True) -> str:
        """What a command of compose prints."""
        return docker(*self._arguments(line), *more, check=check, **self._options)

    def build_log(self) -> str:
        """What a build of the images says, step by step."""
        with self.started("build --progress plain") as build:
            log = build.communicate()[0]
        assert build.returncode == 0, log[-3000:]
        return log

    def image(self, service: str) -> str:
        return f"{self.project}-{service}"

    def ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.RequestException:
            return False

    def inside(self, service: str, code: str) -> Any:
        """What Python code prints as JSON inside the running container of a service."""
        return json.loads(self.run(f"exec -T {service}", "python3", "-c", code))

    def answer(self, service: str, path: str, row: object = None) -> Any:
        """What a service answers inside its container."""
        body = json.dumps(row) if row else None
        return json.loads(self.inside(service, ASK.format(path=path, body=body)))

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of the one container of a service, running or not."""
        [container] = self.run(f"ps -aq {service}").split()
        [state] = json.loads(docker("inspect", container))
        return dict(state)

    def exit_code(self, service: str) -> int | None:
        """None while the container runs."""
        state = self.state(service)["State"]
        return int(state["ExitCode"]) if state["Status"] == "exited" else None

    def trained(self) -> int:
        """The exit code of the training, once it has ended."""
        deadline = time.monotonic() + TRAINING_SECONDS
        while (code := self.exit_code("training")) is None and time.monotonic() < deadline:
            time.sleep(0.5)
        assert code is not None, f"the training goes on after {TRAINING_SECONDS} s"
        return code

    def replicas(self) -> dict[str, int]:
        """The rows that each running replica of the service has predicted, by its container."""
        ask = ("python", "-c", ASK.format(path="metrics", body=None))
        return {
            container: sum(map(int, ROWS.findall(json.loads(docker("exec", container, *ask)))))
            for container in self.run("ps -q service").split()
        }

    def three_are_asked(self) -> bool:
        """Whether three replicas have predicted; it asks, so that they can have."""
        self.status()
        rows = self.replicas()
        return len(rows) == 3 and min(rows.values()) > 0

    def status(self) -> int:
        """That of a prediction over a connection of its own; 0 when there was no answer."""
        try:
            return self.predict().status_code
        except requests.RequestException:
            return 0

    def predict(self, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.url}/predict", json=ROW, headers=named, timeout=PATIENCE)

    def await_version(self, version: int, **headers: str) -> None:
        await_(
            lambda: self.predict(**headers).json()["version"] == version,
            f"version {version} answers",
        )

    @contextmanager
    def posting(self) -> Iterator[list[int]]:
        """Four clients ask, each time over a new connection; the list of statuses grows."""
        statuses: list[int] = []
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                statuses.append(self.status())

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                yield statuses
            finally:
                stop.set()
            for each in asking:
                each.result()

    def versions(self) -> list[int]:
        """The versions of `calories` that the registry's volume holds."""
        code = "import os, json; print(json.dumps(os.listdir('/registry/calories')))"
        return sorted(int(each) for each in self.inside("service", code) if each.isdigit())

    def remove(self) -> None:
        """Take the project down with all that it made, its images too."""
        self.run("--profile * down -v --rmi all -t 1", check=False)


def compose(
    folder: Path, name: str, checkout: Path = ROOT, *files: str, port: int | None = None
) -> Compose:
    """A project of `checkout` with these compose files on top of its own."""
    project = f"calories-{name}-{os.getpid()}"
    images = folder / f"{project}.yml"
    named = {service: f"{project}-{service}" for service in (*IMAGES, SAVED_MODEL)}
    named["seed"] = named["service"]
    services: dict[str, dict[str, Any]] = {it: {"image": image} for it, image in named.items()}
    if REPLICAS in files:
        services["balancer"] = {"image": f"{project}-balancer"}
        for each in ADDED:  # they do not know it: what the service is given is given to it
            services["balancer"] |= yaml.safe_load(each.read_text())["services"]["service"]
    images.write_text(json.dumps({"services": services}))
    own = [checkout / each for each in ("docker-compose.yml", *files)]
    return Compose(project, (*own, *ADDED, images), checkout, port or free_port())


def seconds_until_healthy(state: dict[str, Any]) -> float:
    """From a container's start until its first healthy check, by the engine's own clock."""
    events = docker(
        "events",
        *("--since", state["State"]["StartedAt"], "--until", str(int(time.time()) + 1)),
        *("--filter", f"container={state['Id']}", "--filter", "event=health_status"),
        *("--format", "{{.TimeNano}} {{.Status}}"),
    )
    first = re.findall(r"^(\d+) health_status: healthy$", events, re.MULTILINE)[0]
    return int(first) / 1e9 - datetime.fromisoformat(state["State"]["StartedAt"]).timestamp()


def bytes_over_base(image: str) -> int:
    """The size of the layers that the Dockerfile adds, the first of which is WORKDIR."""
    line = ("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}")
    layers = [each.split(" ", 1) for each in docker(*line, image).splitlines()]
    ours = next(at for at, (_, made_by) in enumerate(layers) if "WORKDIR /app" in made_by)
    return sum(int(size) for size, _ in layers[:ours])


def cached_steps(log: str) -> dict[str, bool]:
    """The steps of a build that was logged with --progress plain, and whether each was cached."""
    named = dict(re.findall(r"^#(\d+) (\[.+)$", log, re.MULTILINE))
    cached = set(re.findall(r"^#(\d+) CACHED$", log, re.MULTILINE))
    return {name: number in cached for number, name in named.items()}
