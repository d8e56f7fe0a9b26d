"""The edge as the compose file has it: the same nginx.conf, with another port and server."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

from benchmarks.started import started
from tests.needs import need
from tests.servers import ROOT, Server, await_, free_port, shown

CONFIGURATION = ROOT / "deploy" / "edge"


@contextmanager
def edge(
    folder: Path, *service_ports: int, of_one_address: int = 4096, under: str = ""
) -> Iterator[Server]:
    """Nginx in front of the services at these ports, from its first answer until its end."""
    nginx, port = need("nginx"), free_port()
    home = folder / f"edge-{port}"
    home.mkdir()
    bound = f"limit_conn clients {of_one_address};"
    _render(home, "nginx.conf", "limit_conn clients 4096;", bound)
    servers = ";\nserver ".join(f"127.0.0.1:{each}" for each in service_ports)
    _render(home, "servers.conf", "service:8000", servers)
    _render(home, "listen.conf", "8080", f"127.0.0.1:{port}")
    log = home / "error.log"
    directives = f"daemon off; user {getuser()};"
    command = [*under.split(), nginx, "-p", home, "-c", home / "nginx.conf", "-g", directives]
    with (
        log.open("w") as output,
        started(command, grace=10, stdout=output, stderr=subprocess.STDOUT) as process,
    ):
        server = Server(process, port, log)
        with shown(server):
            await_(server.answers, "the edge answers")
            yield server


def _render(home: Path, name: str, there: str, here: str) -> None:
    text = (CONFIGURATION / name).read_text()
    assert there in text, f"{name} no longer holds {there}"
    (home / name).write_text(text.replace(there, here))
