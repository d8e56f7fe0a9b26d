"""The container files: linted, and in step with the service's settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from service.access import NoAccess, check, warnings
from service.config import Settings
from tests.serving import ROOT


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "deploy/edge/Dockerfile"])
def test_a_dockerfile_lints(dockerfile: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [str(hadolint), "--failure-threshold", "warning", str(ROOT / dockerfile)]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def found(pattern: str, path: str) -> set[int]:
    return {int(number) for number in re.findall(pattern, (ROOT / path).read_text())}


def test_the_edge_takes_bodies_as_large_as_the_service_does() -> None:
    [megabytes] = found(r"client_max_body_size (\d+)m;", "deploy/edge/nginx.conf")
    assert megabytes * 1024 * 1024 == Settings.model_fields["max_body_bytes"].default


def test_docker_waits_longer_than_the_service_takes_to_stop() -> None:
    [grace] = found(r"stop_grace_period: (\d+)s", "docker-compose.yml")
    [graceful] = found(r'GRACEFUL_SECONDS: "(\d+)"', "docker-compose.yml")
    assert grace > graceful


def test_every_published_port_is_on_loopback() -> None:
    ports = re.findall(r"ports: \[\"(.*)\"\]", (ROOT / "docker-compose.yml").read_text())
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)


def settings_of(service: str) -> dict[str, str]:
    """The environment of a service of the compose file, on top of its image's own."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return {**image_settings(), **compose["services"][service]["environment"]}


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


@pytest.mark.parametrize("service", ["service", "service-saved-model"])
def test_the_compose_file_waives_the_key_and_the_log_says_so(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read_from(settings_of(service), monkeypatch)
    check(settings)
    [warning] = warnings(settings)
    assert "predicts without a key" in warning
