"""The container files: linted, and in step with the service's settings."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.started import finished
from service.gate.access import NoAccess, check, warnings
from service.settings import Settings
from tests.servers import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SECRETS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "secrets.yml").read_text())
OVERLAY = (ROOT / "deploy" / "replicas.yml").read_text()
# `!reset` is compose's own: it takes a part of the file below away.
REPLICAS: dict[str, Any] = yaml.safe_load(OVERLAY.replace("!reset []", "null"))
CONTAINERS = {**COMPOSE["services"], "balancer": REPLICAS["services"]["balancer"]}
SERVICES = ("service", "service-saved-model")
DOCKERFILES = ("Dockerfile", "deploy/balancer/Dockerfile")


def test_the_dockerfiles_lint() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--failure-threshold", "warning", *DOCKERFILES]
    linted = finished(command, cwd=ROOT, check=False)
    assert linted.returncode == 0, linted.stdout


def number(pattern: str, path: str) -> int:
    [found] = {int(number) for number in re.findall(pattern, (ROOT / path).read_text())}
    return found


def test_the_balancer_takes_bodies_as_large_as_the_service_does() -> None:
    megabytes = number(r"client_max_body_size (\d+)m;", "deploy/balancer/nginx.conf")
    assert megabytes * 1024 * 1024 == Settings.model_fields["max_body_bytes"].default


def test_docker_waits_longer_than_what_it_stops_takes() -> None:
    compose, grace = "docker-compose.yml", r"stop_grace_period: (\d+)s"
    own = [number(rf'{it}_SECONDS: "(\d+)"', compose) for it in ("GRACEFUL", "DRAIN")]
    assert number(grace, compose) > sum(own)
    answer = number(r"proxy_read_timeout (\d+)s", "deploy/balancer/nginx.conf")
    assert number(grace, "deploy/replicas.yml") > answer


def test_every_published_port_is_on_loopback_and_the_balancers_is_that_of_the_service() -> None:
    ports = {name: it["ports"] for name, it in CONTAINERS.items() if "ports" in it}
    assert ports.keys() == {*SERVICES, "balancer"}
    assert all(port.startswith("127.0.0.1:") for [port] in ports.values())
    [port], [replaced] = ports["balancer"], ports["service"]
    assert port.rsplit(":", 1)[0] == replaced.rsplit(":", 1)[0]
    assert REPLICAS["services"]["service"] == {"ports": None}


def settings_of(service: str) -> dict[str, str]:
    """The environment of a service of the compose file, on top of its image's own."""
    return {**image_settings(), **COMPOSE["services"][service]["environment"]}


def image_settings() -> dict[str, str]:
    [line] = re.findall(r"^ENV (HOST=.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    return dict(setting.split("=") for setting in line.split())


def read_from(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_the_image_asks_who_may_predict_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoAccess, match=r"HOST=0\.0\.0\.0 .*PREDICT_KEY_WAIVED=true"):
        check(read_from(image_settings(), monkeypatch))


@pytest.mark.parametrize("service", SERVICES)
def test_the_compose_file_waives_the_key_and_says_so_and_lets_one_address_have_all_connections(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_from(settings_of(service), monkeypatch)
    check(settings)
    [warning] = warnings(settings)
    assert "predicts without a key" in warning
    # Docker gives all clients one address.
    assert settings.max_connections_of_one_address > settings.max_connections


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_container_has_no_rights_is_bounded_and_watched(container: dict[str, Any]) -> None:
    without_rights = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "user": "10001:10001",
    }
    assert container.items() >= without_rights.items()
    of_the_host = {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"}
    assert not of_the_host & container.keys()
    assert {"mem_limit", "pids_limit", "cpus"} <= container.keys()
    if container["restart"] != "no":
        assert container["healthcheck"]["interval"] == "2s"
        dockerfile = container["build"].get("dockerfile", "Dockerfile")
        assert "HEALTHCHECK" in (ROOT / dockerfile).read_text()


def test_only_training_may_write_into_the_registry() -> None:
    mounts = {name: it["volumes"] for name, it in CONTAINERS.items() if "volumes" in it}
    assert mounts.pop("training") == ["registry:/registry"]
    assert mounts == {name: ["registry:/registry:ro"] for name in mounts}


def test_every_image_runs_as_the_user_of_the_compose_file() -> None:
    for path in DOCKERFILES:
        text = (ROOT / path).read_text()
        assert "useradd --uid 10001" in text
        assert set(re.findall(r"^USER (.*)$", text, re.MULTILINE)) == {"10001"}
    targets = re.split(r"^FROM ", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    built = {each["build"].get("target") for each in COMPOSE["services"].values()} - {None}
    last = {each.split("\n")[0].split(" AS ")[-1]: each for each in targets}
    assert all("USER 10001" in last[target] for target in built)


def test_secrets_come_as_files_to_those_who_need_them() -> None:
    for name, container in SECRETS["services"].items():
        assert name in COMPOSE["services"]
        assert set(container["secrets"]) <= SECRETS["secrets"].keys()
    assert all(set(secret) == {"file"} for secret in SECRETS["secrets"].values())
    signing = [name for name, it in SECRETS["services"].items() if "signing-key" in it["secrets"]]
    assert signing == ["training"]
    assert SECRETS["services"]["training"]["command"][-2:] == ["--sign", "/run/secrets/signing-key"]


@pytest.mark.parametrize("name", SERVICES)
def test_with_the_secrets_nobody_predicts_without_a_key(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured = SECRETS["services"][name]
    given = settings_of(name) | secured["environment"]
    assert {setting.lower() for setting in given} <= Settings.model_fields.keys()
    secrets = {f"/run/secrets/{secret}" for secret in secured["secrets"]}
    assert {given["KEYS_FILE"], given["PUBLIC_KEY"]} == secrets
    settings = read_from(given, monkeypatch)
    assert settings.predict_needs_key
    assert not settings.admin_key_waived
