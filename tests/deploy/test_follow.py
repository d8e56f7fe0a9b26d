"""The edge follows the servers that come and go: a real nginx under deploy/edge/follow.py."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from benchmarks.started import started
from tests.needs import need
from tests.overload.edge import CONFIGURATION
from tests.servers import PATIENCE, Server, await_, free_port, running, shown

# Stands in front of nginx in PATH: so the servers can change at a chosen moment of its start.
SCRIPT = '#!/bin/sh\n{before}\nexec {nginx} "$@"\n'


@dataclass(frozen=True)
class Edge:
    """A folder that is the edge's /etc/nginx and its /tmp."""

    folder: Path
    service: Server

    @property
    def servers(self) -> Path:
        return self.folder / "servers.conf"

    def ask(self, port: int, servers: Path) -> Path:
        """Name the one server behind the edge, in a file that is there as a whole or not."""
        draft = self.folder / "draft.conf"
        draft.write_text(f"server 127.0.0.1:{port};\n")
        return draft.rename(servers)

    @contextmanager
    def started(self, before: str = "") -> Iterator[Server]:
        """The edge, with these lines of shell run before nginx."""
        script = self.folder / "bin" / "nginx"
        script.parent.mkdir()
        script.write_text(SCRIPT.format(before=before, nginx=need("nginx")))
        script.chmod(0o755)
        port = free_port()
        (self.folder / "listen.conf").write_text(f"listen 127.0.0.1:{port};\n")
        log = self.folder / "edge.log"
        path = f"{script.parent}:{os.environ['PATH']}"
        with (
            log.open("w") as output,
            started(
                [sys.executable, self.folder / "follow.py"],
                cwd=self.folder,
                env={**os.environ, "PATH": path, "TMPDIR": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            server = Server(process, port, log)
            with shown(server):
                yield server


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("follow"), registry=shipped_root, workers=1) as server:
        yield server


@pytest.fixture
def edge(tmp_path: Path, service: Server) -> Edge:
    for name in ("nginx.conf", "follow.py"):
        shutil.copy(CONFIGURATION / name, tmp_path)
    return Edge(tmp_path, service)


def unavailable(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/readyz", timeout=PATIENCE).status_code == 503
    except requests.ConnectionError:
        return False


def test_a_server_that_comes_is_asked(edge: Edge) -> None:
    edge.ask(free_port(), edge.servers)
    with edge.started() as server:
        await_(lambda: unavailable(server), "nginx answers, and nobody behind it")
        edge.ask(edge.service.port, edge.servers)
        await_(server.answers, "the new server is asked")


def test_a_server_that_comes_after_nginx_has_looked_and_before_the_first_look_is_asked(
    edge: Edge,
) -> None:
    edge.ask(free_port(), edge.folder / "first.conf")
    edge.ask(edge.service.port, edge.folder / "then.conf")
    change = "until [ -s nginx.pid ]; do :; done; mv then.conf servers.conf"
    with edge.started(f"mv first.conf servers.conf\n({change}) &") as server:
        await_(server.answers, "the new server is asked")


def test_a_server_that_nginx_could_not_be_told_of_is_asked_when_it_can(edge: Edge) -> None:
    edge.ask(free_port(), edge.servers)
    with edge.started() as server:
        await_(lambda: unavailable(server), "nginx answers, and nobody behind it")
        listen = edge.folder / "listen.conf"
        right = listen.read_text()
        listen.write_text("listen nowhere;")
        edge.ask(edge.service.port, edge.servers)
        await_(lambda: "[emerg]" in server.output(), "nginx refuses what it should read")
        listen.write_text(right)
        await_(server.answers, "the new server is asked")


def test_no_signal_reaches_nginx_before_it_can_take_one(edge: Edge) -> None:
    edge.ask(free_port(), edge.servers)
    edge.ask(edge.service.port, edge.folder / "then.conf")
    (edge.folder / "nginx.pid").write_text("1\n")  # left by one that was killed
    with edge.started("mv then.conf servers.conf\nsleep 3") as server:  # three looks
        await_(server.answers, "nginx has started")
