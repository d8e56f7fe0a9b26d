"""The container files: linted, and in step with the service's settings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

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
