"""docker-compose.yml on a real engine, from the first `up` to a changed image, with one project.

Each test is a stage, which begins where the one before it ended.
"""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from models import files
from models.publish import publish, staging
from models.registry import Registry
from tests.compose.driver import (
    IMAGES,
    LOOK,
    REPLICAS,
    SAVED_MODEL,
    Compose,
    bytes_over_base,
    cached_steps,
    compose,
    docker,
    engine_answers,
    seconds_until_healthy,
    tell,
    timed,
)
from tests.needs import lack
from tests.servers import BODY, DEV_PYTHON, PATIENCE, ROOT, ROW, await_, request
from tests.soak.load import loaded

HEALTHY_SECONDS = 5.0
# Health is looked at every 2 s, so what is ready a moment after a look counts as 2 s later. A
# start that takes the processor half a second takes several with other work on the machine.
TOLERANCE_SECONDS = 4.0
CONTEXT = ("models", "service", "training", "deploy", "requirements")
FILES = (".dockerignore", "Dockerfile", "docker-compose.yml")
READ_ONLY = "Read-only file system"

NOT_COMPILED = """
import json, pathlib
here = [p for d in ("/app/models", "/app/service", "/venv") for p in pathlib.Path(d).rglob("*.py")]
print(json.dumps([str(p) for p in here
    if not list((p.parent / "__pycache__").glob(p.stem + ".cpython-*.pyc"))]))
"""
TENSORFLOW = """
import importlib.util, json
print(json.dumps([n for n in ("tensorflow", "keras") if importlib.util.find_spec(n)]))
"""


@contextmanager
def removed(project: Compose, session: pytest.Session) -> Iterator[Compose]:
    """The project; afterwards nothing of it but, when a test failed, what it logged."""
    try:
        yield project
    finally:
        if session.testsfailed:
            print(project.run("logs --no-color --tail 60", check=False))
        project.remove()


@pytest.fixture(scope="module")
def project(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Compose]:
    """The images of this checkout; without a Docker engine nothing here is tried."""
    if not engine_answers():
        lack("no Docker engine with compose answers: install one from docs.docker.com/engine")
    with removed(compose(tmp_path_factory.mktemp("compose"), "run"), request.session) as project:
        with timed("building the images"):
            project.run("--profile * build")
        yield project


@pytest.fixture(scope="module")
def failed_elsewhere(request: pytest.FixtureRequest) -> int:
    return int(request.session.testsfailed)


@pytest.fixture(autouse=True)
def after_the_stage_before(request: pytest.FixtureRequest, failed_elsewhere: int) -> None:
    assert request.session.testsfailed == failed_elsewhere, "an earlier stage failed"


def without_rights(seen: dict[str, Any]) -> None:
    """Hold what was seen inside a container."""
    assert seen["user"] == ["10001"] * 4
    assert seen["capabilities"] == [0, 0, 0]
    assert seen["privileges"] == "1"
    assert seen["root"] == READ_ONLY
    assert seen["tmp"] is None


def bounded(state: dict[str, Any]) -> None:
    """Hold what the engine says of a container."""
    bounds = state["HostConfig"]
    assert min(bounds["Memory"], bounds["PidsLimit"], bounds["NanoCpus"]) > 0
    assert bounds["ReadonlyRootfs"]
    assert bounds["CapDrop"] == ["ALL"]
    assert state["Config"]["User"] == "10001:10001"


def test_the_images_are_small_and_the_compose_file_is_valid_with_every_profile(
    project: Compose,
) -> None:
    assert SAVED_MODEL in project.run("--profile * config --services")
    for name in IMAGES:
        image = project.image(name)
        size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
        over = bytes_over_base(image) / 1e6
        tell(f"the image of the {name} is {size / 1e6:.0f} MB, {over:.0f} over its base image")
    assert bytes_over_base(project.image("service")) < 215e6


def test_the_first_up_is_healthy_in_seconds_and_moves_to_what_it_trains_without_a_failed_request(
    project: Compose,
) -> None:
    with timed("docker-compose up"):
        project.run("up -d")
    healthy = seconds_until_healthy(project.state("service"))
    tell(f"the service was healthy {healthy:.1f} s after its container started")
    assert healthy < HEALTHY_SECONDS + TOLERANCE_SECONDS
    await_(project.ready, "the service answers")
    first = project.predict().json()
    assert (first["model"], first["version"]) == ("calories", 1)
    with (
        timed("training and moving to what was trained"),
        loaded(project.port, connections=8) as load,
    ):
        assert project.trained() == 0
        project.await_version(2)
    assert load.answers == {(200, 1), (200, 2)}


def test_inside_a_container_there_are_no_rights_and_no_tensorflow(project: Compose) -> None:
    seen = project.inside("service", LOOK)
    without_rights(seen)
    assert seen["registry"] == READ_ONLY
    assert "gunicorn" in seen["first"] or "-m service" in seen["first"]  # it gets the signals
    assert project.inside("service", TENSORFLOW) == []
    assert project.inside("service", NOT_COMPILED) == []
    for name in ("seed", "service", "training"):
        bounded(project.state(name))
    told = project.run("logs --no-color service")
    assert "warning: PREDICT_KEY_WAIVED=true: whoever reaches 0.0.0.0, port 8000" in told


def test_the_savedmodel_answers_as_its_twin_does_without_rights(project: Compose) -> None:
    profile = "--profile saved-model"
    with timed("starting the service of the SavedModel"):
        project.run(f"{profile} up -d --wait --no-deps {SAVED_MODEL}")
    listed = project.answer(SAVED_MODEL, "models")["models"]
    engines = {version.get("engine") for model in listed for version in model["versions"]}
    assert engines == {"saved_model"}
    answer, twin = project.answer(SAVED_MODEL, "predict", ROW), project.predict().json()
    assert answer["version"] == twin["version"]
    assert answer["calories"] == pytest.approx(twin["calories"], abs=1e-3)
    seen = project.inside(SAVED_MODEL, LOOK)
    without_rights(seen)
    assert seen["registry"] == READ_ONLY
    project.run(f"{profile} rm -s -f {SAVED_MODEL}")


def test_a_request_in_flight_is_answered_while_everything_stops_by_itself(project: Compose) -> None:
    sent, rest = request()[: -len(BODY) // 2], request()[-len(BODY) // 2 :]
    with socket.create_connection(("127.0.0.1", project.port), PATIENCE) as client:
        client.sendall(sent)
        with timed("docker-compose stop"), project.started("stop") as stop:
            await_(lambda: not project.ready(), "the service says that it leaves")
            client.sendall(rest)
            answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
            said = stop.communicate(timeout=PATIENCE)[0]
            assert stop.returncode == 0, said
    assert answer.startswith("HTTP/1.1 200 ")
    assert answer.endswith('"version":2}\n')
    assert project.exit_code("service") == 0


def test_three_replicas_share_the_requests_and_none_is_lost_with_one_that_is_killed(
    project: Compose, tmp_path: Path
) -> None:
    replicated = compose(tmp_path, "run", ROOT, REPLICAS, port=project.port)
    three = "up -d --wait --scale service=3 balancer"
    with timed("building the balancer and going from one to three replicas"):
        replicated.run(three)
        await_(replicated.three_are_asked, "three replicas are asked")
    before = replicated.replicas()
    with replicated.posting() as statuses:
        await_(lambda: len(statuses) >= 300, "300 requests are answered")
    counted = sum(before.values()) + 300
    await_(lambda: sum(replicated.replicas().values()) >= counted, "they are counted")
    shares = {each: rows - before[each] for each, rows in replicated.replicas().items()}
    fair = sum(shares.values()) / 3
    assert all(fair * 3 / 4 < rows < fair * 5 / 4 for rows in shares.values()), shares
    with replicated.posting() as killed:
        await_(lambda: len(killed) >= 50, "there is load")
        docker("kill", next(iter(shares)))
        await_(lambda: len(killed) >= 400, "what is left answers")
        replicated.run(three)
        await_(replicated.three_are_asked, "the new replica is asked")
    tell(f"a replica killed: of {len(killed)} requests {len(killed) - killed.count(200)} lost")
    assert set(killed) == {200}
    seen = replicated.inside("balancer", LOOK)
    without_rights(seen)
    assert "nginx" in seen["first"]  # it gets the signals
    replicated.run("stop balancer")
    state = replicated.state("balancer")
    bounded(state)
    assert state["State"]["ExitCode"] == 0
    replicated.run("rm -f balancer")
    docker("rmi", replicated.image("balancer"))


@pytest.fixture(scope="module")
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
    version, registry = ROOT / "models" / "calories" / "1", Registry(folder / "models")
    manifest, _ = files.read_manifest(version)
    with staging(registry, manifest.model) as draft:
        files.copy_checked(version, manifest.files, draft)
        report = draft / "report" / "index.html"
        report.write_text(report.read_text() + "<!-- another -->\n")
        publish(registry, draft, manifest, promote=True)
    return folder


def test_changed_code_installs_nothing_again_and_its_version_is_imported_into_the_older_volume(
    project: Compose, checkout: Path, tmp_path: Path
) -> None:
    rebuilt = compose(tmp_path, "run", checkout, port=project.port)
    with timed("building the images anew after a change"):
        steps = cached_steps(rebuilt.build_log())
    environments = {name: cached for name, cached in steps.items() if "-environment " in name}
    assert len(environments) >= 4
    assert all(environments.values()), environments
    assert not all(steps.values())
    rebuilt.run("up -d --wait service")
    assert rebuilt.versions() == [1, 2]
    rebuilt.await_version(2)
    told = "models/calories/1 is not in /registry; 'import models/calories/1' publishes it"
    assert told in rebuilt.run("logs --no-color seed")
    command = "python -m models --registry /registry import models/calories/1"
    assert "published as version 3" in rebuilt.run(f"run --rm -T training {command}")
    rebuilt.await_version(3)


def test_with_secrets_a_prediction_takes_a_key_and_only_what_training_signs_is_served(
    request: pytest.FixtureRequest, project: Compose, checkout: Path, tmp_path: Path
) -> None:
    for command in (  # of docs/trust.md and docs/security.md
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem",
        "openssl pkey -in signing.pem -pubout -out public.pem",
        f"{DEV_PYTHON} -m models sign calories 1 --private-key signing.pem",
        f"{DEV_PYTHON} -m service.keys shop --append keys.toml",
    ):
        ran = subprocess.run(
            command.split(), cwd=checkout, check=True, capture_output=True, text=True
        )
    key = ran.stdout.strip()
    for name in ("signing.pem", "keys.toml"):
        (checkout / name).chmod(0o644)  # nobody but root looks into this folder
    secured = compose(tmp_path, "secured", checkout, "deploy/secrets.yml")
    with removed(secured, request.session):
        with timed("docker-compose up --build with secrets, and its training"):
            secured.run("up -d --build")
            assert secured.trained() == 0
        assert secured.predict().status_code == 401
        secured.await_version(2, X_API_Key=key)
        command = "python -m models --registry /registry verify calories --public-key"
        verified = secured.run(f"exec -T service {command} /run/secrets/public-key")
        assert verified.count("signed") == 2
        headers = {"X-API-Key": key}
        deep = requests.get(f"{secured.url}/models/deep", headers=headers, timeout=PATIENCE)
        assert "sign" in deep.text
