"""The balancer without Docker: the files of deploy/balancer, with other ports."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

from benchmarks.started import started
from tests.needs import need
from tests.servers import ROOT, Server, await_, free_port, shown

CONFIGURATION = ROOT / "deploy" / "balancer"
# Stands in front of nginx in PATH: so the servers can change at a chosen moment of its start.
SCRIPT = '#!/bin/sh\n{before}\nexec {nginx} "$@"\n'


@dataclass(frozen=True)
class Balancer:
    """A folder that is the balancer's /etc/nginx and its /tmp."""

    folder: Path

    def ask(self, *ports: int, file: str = "servers.conf") -> None:
        """Name the servers behind it, in a file that is there as a whole or not."""
        each = (CONFIGURATION / "servers.conf").read_text()
        draft = self.folder / "draft.conf"
        draft.write_text("".join(each.replace("service:8000", f"127.0.0.1:{it}") for it in ports))
        draft.rename(self.folder / file)

    @contextmanager
    def started(self, before: str = "") -> Iterator[Server]:
        """Its own start, with these lines of shell run before nginx."""
        script, port = self.folder / "bin" / "nginx", free_port()
        script.parent.mkdir()
        script.write_text(SCRIPT.format(before=before, nginx=need("nginx")))
        script.chmod(0o755)
        shutil.copy(CONFIGURATION / "follow.py", self.folder)
        # Its workers can then write into this folder, whoever runs the tests.
        conf = f"user {getuser()};\n" + (CONFIGURATION / "nginx.conf").read_text()
        (self.folder / "nginx.conf").write_text(conf)
        (self.folder / "listen.conf").write_text(f"listen 127.0.0.1:{port};\n")
        log = self.folder / "balancer.log"
        path = f"{script.parent}:{os.environ['PATH']}"
        with (
            log.open("w") as output,
            started(
                [sys.executable, self.folder / "follow.py"],
                grace=10,
                cwd=self.folder,
                env={**os.environ, "PATH": path, "TMPDIR": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            server = Server(process, port, log)
            with shown(server):
                yield server


@contextmanager
def balancing(folder: Path, *ports: int) -> Iterator[Server]:
    """The balancer before the servers at these ports, from its first answer until its end."""
    balancer = Balancer(folder)
    balancer.ask(*ports)
    with balancer.started() as server:
        await_(server.answers, "the balancer answers")
        yield server
