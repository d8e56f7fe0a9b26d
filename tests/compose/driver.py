"""The compose file on a real engine, as a project of its own that meets no other on the machine."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
import yaml

from benchmarks.started import Process, started
from tests.servers import PATIENCE, ROOT, ROW, free_port

# Files that the surroundings add, such as one that builds on the host's network.
ADDED = tuple(Path(each) for each in os.environ.get("COMPOSE_FILE", "").split(":")[1:])
DOCKER = shutil.which("docker") or "docker"
ROWS = re.compile(r"^calories_rows_total\{.*\} (\d+)", re.MULTILINE)
IMAGES = ("service", "training")
REPLICAS = "deploy/replicas.yml"
SAVED_MODEL = "service-saved-model"  # built and started only when its profile is asked for

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
    "first": open("/proc/1/cmdline").read().split(chr(0)),
    "root": refused("/written"),
    "registry": refused("/registry/written"),
    "tmp": refused("/tmp/written"),
}))
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
    try:
        for command in (["info"], ["compose", "version"]):
            subprocess.run([DOCKER, *command], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


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

    def command(self, line: str) -> list[str]:
        files = [part for file in self.files for part in ("-f", str(file))]
        return [DOCKER, "compose", "-p", self.project, *files, *line.split()]

    def started(self, line: str) -> AbstractContextManager[Process]:
        """A command of compose that is not waited for."""
        return started(
            self.command(line),
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, line: str, *more: str, check: bool = True) -> str:
        """What a command of compose prints."""
        command = [*self.command(line)[1:], *more]
        return docker(*command, check=check, cwd=self.folder, env=self._environment)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PORT": str(self.port), "SAVED_MODEL_PORT": "0"}  # 0: any free one

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

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of the one container of a service, running or not."""
        [container] = self.run(f"ps -aq {service}").split()
        [state] = json.loads(docker("inspect", container))
        return dict(state)

    def exit_code(self, service: str) -> int | None:
        """None while the container runs."""
        state = self.state(service)["State"]
        return int(state["ExitCode"]) if state["Status"] == "exited" else None

    def replicas(self) -> dict[str, int]:
        """The rows that each running replica of the service has predicted, by its container."""
        code = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/metrics').read().decode())"
        return {
            container: sum(map(int, ROWS.findall(docker("exec", container, "python", "-c", code))))
            for container in self.run("ps -q service").split()
        }

    def status(self) -> int:
        """That of a prediction over a connection of its own; 0 when there was no answer."""
        try:
            return self.predict(ROW).status_code
        except requests.RequestException:
            return 0

    def predict(self, row: object, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(f"{self.url}/predict", json=row, headers=named, timeout=PATIENCE)

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
    services: dict[str, dict[str, Any]] = {
        service: {"image": image} for service, image in named.items()
    }
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
