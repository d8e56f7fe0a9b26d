"""The run of the compose file: each fixture goes one step further with the same containers."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.started import started
from models import files
from models.publish import publish, staging
from models.registry import Registry
from tests.compose.driver import (
    LOOK,
    REPLICAS,
    SAVED_MODEL,
    Compose,
    bytes_over_base,
    compose,
    docker,
    engine_answers,
    seconds_until_healthy,
    tell,
    timed,
)
from tests.needs import lack
from tests.servers import DEV_PYTHON, PATIENCE, ROOT, ROW, await_
from tests.soak.load import BODY, REQUEST

# A training on a machine that has other work; `await_` is made for shorter things.
TRAINING_SECONDS = 300
CONTEXT = ("models", "service", "training", "deploy", "requirements")
FILES = (".dockerignore", "Dockerfile", "docker-compose.yml")


@dataclass(frozen=True)
class Answer:
    """One request of the load: status 0 is a connection that failed."""

    status: int
    version: int


@contextmanager
def removed(project: Compose, session: pytest.Session) -> Iterator[Compose]:
    """The project; afterwards nothing of it but, when a test failed, what it logged."""
    try:
        yield project
    finally:
        if session.testsfailed:
            print(project.run("logs --no-color --tail 60", check=False))
        project.remove()


@contextmanager
def asked(project: Compose, out: Path) -> Iterator[list[Answer]]:
    """Eight kept connections ask all the time; the list is filled when they end."""
    answers: list[Answer] = []
    command = [DEV_PYTHON, "-m", "tests.soak.load", str(project.port), "8", "0.02", out]
    with started(command, cwd=ROOT) as load:
        yield answers
        load.terminate()
        assert load.wait(PATIENCE) == 0
    samples = [line.split() for line in out.read_text().splitlines()]
    answers += [Answer(int(sample[2]), int(sample[3])) for sample in samples]


def trained(project: Compose) -> int:
    """The exit code of the training, once it has ended."""
    deadline = time.monotonic() + TRAINING_SECONDS
    while (code := project.exit_code("training")) is None and time.monotonic() < deadline:
        time.sleep(0.5)
    assert code is not None, f"the training goes on after {TRAINING_SECONDS} s"
    return code


def await_version(project: Compose, version: int, **headers: str) -> None:
    await_(
        lambda: project.predict(ROW, **headers).json()["version"] == version,
        f"version {version} answers",
    )


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """A Docker engine; without it nothing here is tried."""
    if not engine_answers():
        lack("no Docker engine with compose answers: install one from docs.docker.com/engine")


@pytest.fixture(scope="session")
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compose]:
    """The images of this checkout."""
    folder = tmp_path_factory.mktemp("compose")
    with removed(compose(folder, "run"), request.session) as project:
        with timed("building the images"):
            project.run("build")
        for name in ("service", "training"):
            tell(f"{name}: {bytes_over_base(project.image(name)) / 1e6:.0f} MB over its base image")
        yield project


@dataclass(frozen=True)
class First:
    """What was seen from the first `up` until what it trained answers."""

    project: Compose
    healthy: float  # seconds
    first: dict[str, object]  # the first answer
    exit_code: int
    answers: list[Answer]


@pytest.fixture(scope="session")
def first(built: Compose, tmp_path_factory: pytest.TempPathFactory) -> First:
    """`docker-compose up` on a machine that never ran it, asked until version 2 answers."""
    with timed("docker-compose up"):
        built.run("up -d")
    healthy = seconds_until_healthy(built.state("service"))
    tell(f"the service was healthy {healthy:.1f} s after its container started")
    await_(built.ready, "the service answers")
    answer = built.predict(ROW).json()
    with (
        timed("training and moving to what was trained"),
        asked(built, tmp_path_factory.mktemp("load") / "first.txt") as answers,
    ):
        code = trained(built)
        await_version(built, 2)
    return First(built, healthy, answer, code, answers)


@dataclass(frozen=True)
class SavedModel:
    """What was seen of the service that runs the SavedModel itself, inside its container."""

    rights: dict[str, object]
    answer: dict[str, object]
    twin: dict[str, object]  # the other service's answer
    engines: set[str]


@pytest.fixture(scope="session")
def saved_model(first: First) -> SavedModel:
    """The profile `saved-model`, started, asked and taken away."""
    project, profile = first.project, "--profile saved-model"
    with timed("building the image with TensorFlow and starting it"):
        project.run(f"{profile} build {SAVED_MODEL}")
        project.run(f"{profile} up -d --wait --no-deps {SAVED_MODEL}")
    listed = project.inside(SAVED_MODEL, asking("models"))["models"]
    seen = SavedModel(
        project.inside(SAVED_MODEL, LOOK),
        project.inside(SAVED_MODEL, asking("predict", json.dumps(ROW))),
        project.predict(ROW).json(),
        {version.get("engine") for model in listed for version in model["versions"]},
    )
    project.run(f"{profile} rm -s -f {SAVED_MODEL}")
    return seen


def asking(path: str, body: str | None = None) -> str:
    """Code that asks the service in its container; the image has no curl."""
    return f"""
import urllib.request as u
data = {body!r} and {body!r}.encode()
asked = u.Request("http://127.0.0.1:8000/{path}", data, {{"Content-Type": "application/json"}})
print(u.urlopen(asked).read().decode())
"""


@dataclass(frozen=True)
class Stopped:
    """What was seen of `docker-compose stop` while a client was sending."""

    project: Compose
    answer: str
    exit_code: int | None


@pytest.fixture(scope="session")
def stopped(first: First) -> Stopped:
    """Everything stopped while half of a request was there."""
    project = first.project
    with socket.create_connection(("127.0.0.1", project.port)) as client:
        client.settimeout(PATIENCE)
        client.sendall(REQUEST[: -len(BODY) // 2])
        with timed("docker-compose stop"), project.started("stop") as stop:
            await_(lambda: not project.ready(), "the service says that it leaves")
            client.sendall(REQUEST[-len(BODY) // 2 :])
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
            said = stop.communicate(timeout=PATIENCE)[0]
            assert stop.returncode == 0, said
    return Stopped(project, answer, project.exit_code("service"))


@dataclass(frozen=True)
class Again:
    """What was seen of the second `up`."""

    project: Compose
    kept: list[int]
    exit_code: int
    versions: list[int]


@pytest.fixture(scope="session")
def again(stopped: Stopped) -> Again:
    """Started again, without and then with the training."""
    project = stopped.project
    project.run("up -d --wait service")
    kept = project.versions()
    with timed("the second docker-compose up, with its training"):
        project.run("up -d")
        code = trained(project)
    return Again(project, kept, code, project.versions())


@contextmanager
def posting(project: Compose) -> Iterator[list[int]]:
    """Four clients ask, each time over a new connection; the list of statuses grows."""
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(project.status())

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            yield statuses
        finally:
            stop.set()
        for each in asking:
            each.result()


@dataclass(frozen=True)
class Replicated:
    """What was seen of three replicas, rows that each predicted and statuses; of the balancer."""

    shares: dict[str, int]
    killed: list[int]
    back: dict[str, int]
    rights: dict[str, Any]
    state: dict[str, Any]  # when it was stopped


@pytest.fixture(scope="session")
def replicated(again: Again, tmp_path_factory: pytest.TempPathFactory) -> Replicated:
    """Three replicas; then one is killed while clients ask, and another one started."""
    folder, port = tmp_path_factory.mktemp("replicas"), again.project.port
    project = compose(folder, "run", ROOT, REPLICAS, port=port)
    three = "up -d --wait --scale service=3 balancer"
    with timed("building the balancer and going from one to three replicas"):
        project.run(three)
        await_(lambda: all_asked(project), "three replicas are asked")
    before = project.replicas()
    with posting(project) as statuses:
        await_(lambda: len(statuses) >= 300, "300 requests are answered")
    await_(
        lambda: sum(project.replicas().values()) >= sum(before.values()) + 300, "they are counted"
    )
    shares = {each: rows - before[each] for each, rows in project.replicas().items()}
    with posting(project) as killed:
        await_(lambda: len(killed) >= 50, "there is load")
        docker("kill", next(iter(shares)))
        await_(lambda: len(killed) >= 400, "what is left answers")
        project.run(three)
        await_(lambda: all_asked(project), "the new replica is asked")
        back = project.replicas()
    tell(f"a replica killed: of {len(killed)} requests {len(killed) - killed.count(200)} lost")
    rights = project.inside("balancer", LOOK)
    project.run("stop balancer")
    state = project.state("balancer")
    project.run("rm -f balancer")
    docker("rmi", project.image("balancer"))
    return Replicated(shares, killed, back, rights, state)


def all_asked(project: Compose) -> bool:
    """Whether three replicas have predicted; it asks, so that they can have."""
    project.status()
    rows = project.replicas()
    return len(rows) == 3 and min(rows.values()) > 0


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A later state of the code: another version 1 of `calories`, and a changed line."""
    folder = tmp_path_factory.mktemp("checkout")
    unwanted = shutil.ignore_patterns("__pycache__", ".staging-*")
    for name in CONTEXT:
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    changed = folder / "training" / "__init__.py"
    changed.write_text(changed.read_text() + "# another line\n")
    shutil.rmtree(folder / "models" / "calories")
    publish_another(ROOT / "models" / "calories" / "1", Registry(folder / "models"))
    return folder


def publish_another(version: Path, registry: Registry) -> None:
    """Publish a version like this one, with another report."""
    manifest, _ = files.read_manifest(version)
    with staging(registry, manifest.model) as draft:
        files.copy_checked(version, manifest.files, draft)
        report = draft / "report" / "index.html"
        report.write_text(report.read_text() + "<!-- another -->\n")
        publish(registry, draft, manifest, promote=True)


@pytest.fixture(scope="session")
def rebuilt(
    again: Again, checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Compose, str]:
    """The first project's volume under images of the later code; and what their build said."""
    folder = tmp_path_factory.mktemp("rebuilt")
    project = compose(folder, "run", checkout, port=again.project.port)
    with timed("building the images anew after a change"):
        log = project.build_log()
    project.run("up -d --wait service")
    return project, log


@pytest.fixture(scope="session")
def secured(
    request: pytest.FixtureRequest,
    rebuilt: tuple[Compose, str],
    checkout: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Compose, str, int]]:
    """docs/trust.md with Docker: the project with secrets, a key, how its training ended."""
    sign_as_documented(checkout)
    key = subprocess.run(
        [DEV_PYTHON, "-m", "service.keys", "shop", "--append", "keys.toml"],
        cwd=checkout,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (checkout / "keys.toml").chmod(0o644)
    folder = tmp_path_factory.mktemp("secured")
    again = compose(folder, "secured", checkout, "deploy/secrets.yml")
    with removed(again, request.session) as project:
        with timed("docker-compose up --build with secrets, and its training"):
            project.run("up -d --build")
            code = trained(project)
        yield project, key.strip(), code


def sign_as_documented(checkout: Path) -> None:
    """The commands of docs/trust.md, in the checkout."""
    for command in (
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem",
        "openssl pkey -in signing.pem -pubout -out public.pem",
        f"{DEV_PYTHON} -m models sign calories 1 --private-key signing.pem",
    ):
        subprocess.run(command.split(), cwd=checkout, check=True, capture_output=True)
    (checkout / "signing.pem").chmod(0o644)  # nobody but root looks into this folder
