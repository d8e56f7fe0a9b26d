"""docker-compose.yml on a real engine, from the first `up` to a changed image.

The stages are fixtures (conftest.py); each test states one thing that was seen in its stage.
"""

from typing import Any

import pytest
import requests

from tests.compose.conftest import (
    Again,
    First,
    Replicated,
    SavedModel,
    Stopped,
    await_version,
)
from tests.compose.driver import (
    IMAGES,
    LOOK,
    Compose,
    bytes_over_base,
    cached_steps,
    docker,
    tell,
)
from tests.servers import PATIENCE, ROW

HEALTHY_SECONDS = 5.0
# Health is looked at every 2 s, so what is ready a moment after a look counts as 2 s later. A
# start that takes the processor half a second takes several with other work on the machine.
TOLERANCE_SECONDS = 4.0

TENSORFLOW = """
import importlib.util, json
print(json.dumps([n for n in ("tensorflow", "keras") if importlib.util.find_spec(n)]))
"""


def test_the_compose_file_is_valid_with_every_profile(built: Compose) -> None:
    assert "service-saved-model" in built.run("--profile * config --services")


def test_the_service_is_healthy_within_seconds_of_its_start(first: First) -> None:
    assert first.healthy < HEALTHY_SECONDS + TOLERANCE_SECONDS


def test_the_shipped_model_answers_while_another_is_trained(first: First) -> None:
    assert (first.first["model"], first.first["version"]) == ("calories", 1)


def test_training_ends_well_and_its_version_answers(first: First) -> None:
    assert first.exit_code == 0
    assert first.project.predict(ROW).json()["version"] == 2


def test_no_request_fails_while_the_service_moves_to_what_was_trained(first: First) -> None:
    assert {each.status for each in first.answers} == {200}
    assert {each.version for each in first.answers} == {1, 2}


def without_rights(seen: dict[str, Any]) -> None:
    """Hold what was seen inside a container."""
    assert seen["user"] == ["10001"] * 4
    assert seen["capabilities"] == [0, 0, 0]
    assert seen["privileges"] == "1"
    assert seen["root"] == "Read-only file system"
    assert seen["tmp"] is None


def bounded(state: dict[str, Any]) -> None:
    """Hold what the engine says of a container."""
    bounds = state["HostConfig"]
    assert bounds["Memory"] > 0
    assert bounds["PidsLimit"] > 0
    assert bounds["NanoCpus"] > 0
    assert bounds["ReadonlyRootfs"]
    assert bounds["CapDrop"] == ["ALL"]
    assert state["Config"]["User"] == "10001:10001"


def test_the_service_runs_without_rights(first: First) -> None:
    without_rights(first.project.inside("service", LOOK))


def test_the_log_of_the_service_warns_that_no_key_is_asked_for(first: First) -> None:
    told = first.project.run("logs --no-color service")
    assert "warning: PREDICT_KEY_WAIVED=true: whoever reaches 0.0.0.0, port 8000" in told


def test_the_service_cannot_write_into_the_registry(first: First) -> None:
    assert first.project.inside("service", LOOK)["registry"] == "Read-only file system"


def test_the_server_itself_is_the_process_that_gets_the_signals(first: First) -> None:
    started = " ".join(first.project.inside("service", LOOK)["first"])
    assert "gunicorn" in started or "-m service" in started


def test_the_service_has_no_tensorflow(first: First) -> None:
    assert first.project.inside("service", TENSORFLOW) == []


def test_the_savedmodel_answers_as_its_twin_does(saved_model: SavedModel) -> None:
    assert saved_model.engines == {"saved_model"}
    assert saved_model.answer["version"] == saved_model.twin["version"]
    assert saved_model.answer["calories"] == pytest.approx(saved_model.twin["calories"], abs=1e-3)


def test_the_savedmodel_is_served_without_rights_from_a_root_that_cannot_be_written(
    saved_model: SavedModel,
) -> None:
    without_rights(saved_model.rights)
    assert saved_model.rights["registry"] == "Read-only file system"


@pytest.mark.parametrize("service", ["seed", "service", "training"])
def test_the_engine_bounds_a_container_and_gives_it_no_rights(first: First, service: str) -> None:
    bounded(first.project.state(service))


def test_the_services_layers_stay_below_215_mb(built: Compose) -> None:
    assert bytes_over_base(built.image("service")) < 215e6


@pytest.mark.parametrize("service", IMAGES)
def test_the_engine_tells_how_large_an_image_is(built: Compose, service: str) -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", built.image(service)))
    tell(f"the image of the {service} is {size / 1e6:.0f} MB")
    assert size > 0


def test_its_code_and_libraries_are_compiled(first: First) -> None:
    code = """
import json, pathlib
here = [p for d in ("/app/models", "/app/service", "/venv") for p in pathlib.Path(d).rglob("*.py")]
print(json.dumps([str(p) for p in here
    if not list((p.parent / "__pycache__").glob(p.stem + ".cpython-*.pyc"))]))
"""
    assert first.project.inside("service", code) == []


def test_a_request_in_flight_is_answered_while_everything_stops(stopped: Stopped) -> None:
    assert stopped.answer.startswith("HTTP/1.1 200 ")
    assert stopped.answer.endswith('"version":2}\n')


def test_what_is_stopped_ends_by_itself(stopped: Stopped) -> None:
    assert stopped.exit_code == 0


def test_versions_outlast_the_containers(again: Again) -> None:
    assert again.kept == [1, 2]


def test_a_second_up_trains_version_3(again: Again) -> None:
    assert again.exit_code == 0
    assert again.versions == [1, 2, 3]
    await_version(again.project, 3)


def test_three_replicas_share_the_requests_evenly(replicated: Replicated) -> None:
    assert len(replicated.shares) == 3
    fair = sum(replicated.shares.values()) / 3
    assert min(replicated.shares.values()) > fair * 3 / 4
    assert max(replicated.shares.values()) < fair * 5 / 4


def test_no_request_is_lost_with_a_replica_that_is_killed(replicated: Replicated) -> None:
    assert set(replicated.killed) == {200}


def test_a_replica_that_came_later_is_asked_too(replicated: Replicated) -> None:
    assert len(replicated.back) == 3
    assert min(replicated.back.values()) > 0


def test_the_balancer_is_bounded_and_has_no_rights(replicated: Replicated) -> None:
    without_rights(replicated.rights)
    bounded(replicated.state)


def test_the_balancer_gets_the_signals_itself_and_ends_with_0(replicated: Replicated) -> None:
    assert "nginx" in replicated.rights["first"][0]
    assert replicated.state["State"]["ExitCode"] == 0


def test_changed_code_installs_nothing_again(rebuilt: tuple[Compose, str]) -> None:
    steps = cached_steps(rebuilt[1])
    environments = {name: cached for name, cached in steps.items() if "-environment " in name}
    assert len(environments) >= 4
    assert all(environments.values()), environments
    assert not all(steps.values())


def test_a_volume_of_an_older_image_goes_on(rebuilt: tuple[Compose, str]) -> None:
    project, _ = rebuilt
    assert project.versions() == [1, 2, 3]
    await_version(project, 3)


def test_the_version_of_a_newer_image_is_imported_into_an_older_volume(
    rebuilt: tuple[Compose, str],
) -> None:
    project, _ = rebuilt
    told = "models/calories/1 is not in /registry; 'import models/calories/1' publishes it"
    assert told in project.run("logs --no-color seed")
    command = "python -m models --registry /registry import models/calories/1"
    assert "published as version 4" in project.run(f"run --rm -T training {command}")
    await_version(project, 4)


def test_with_secrets_a_prediction_takes_a_key(secured: tuple[Compose, str, int]) -> None:
    project, key, _ = secured
    assert project.predict(ROW).status_code == 401
    assert project.predict(ROW, X_API_Key=key).status_code == 200


def test_with_secrets_the_training_signs_what_it_publishes(
    secured: tuple[Compose, str, int],
) -> None:
    project, key, exit_code = secured
    assert exit_code == 0
    await_version(project, 2, X_API_Key=key)
    command = "python -m models --registry /registry verify calories --public-key"
    assert project.run(f"exec -T service {command} /run/secrets/public-key").count("signed") == 2


def test_with_secrets_what_is_not_signed_is_not_served(secured: tuple[Compose, str, int]) -> None:
    project, key, _ = secured
    asked = requests.get(f"{project.url}/models/deep", headers={"X-API-Key": key}, timeout=PATIENCE)
    assert "sign" in asked.text
    assert project.predict(ROW, X_API_Key=key).ok
