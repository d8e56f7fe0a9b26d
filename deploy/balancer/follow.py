"""Start nginx, and let it reload when the servers of servers.conf have other addresses than before.

nginx looks names up when it reads its configuration and not again. Replicas come and go: this
looks each second, and a reload drops no request. This process becomes nginx, so that the signals
of `docker stop` reach it; a child does the looking.
"""

import os
import re
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 1.0
HERE = Path(__file__).parent
SERVER = re.compile(r"^server (\S+):(\d+)", re.MULTILINE)
# The root file system is read-only: what nginx writes lies in /tmp.
WRITABLE = tempfile.gettempdir()
PID = Path(WRITABLE, "nginx.pid")
NGINX = ("nginx", "-p", WRITABLE, "-c", str(HERE / "nginx.conf"), "-g", "daemon off;")

Addresses = frozenset[object]


def addresses(before: Addresses = frozenset()) -> Addresses:
    """The addresses of all servers now; `before` when a name has none, or nobody tells."""
    with suppress(OSError):
        return frozenset(
            found[4]
            for name, port in SERVER.findall((HERE / "servers.conf").read_text())
            for found in socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)
        )
    return before


def follow(nginx: int, known: Addresses) -> None:
    """Look until nginx has ended. Before nginx has written its number, a signal would end it.

    Addresses are known once nginx has new workers for them: a reload that failed is tried again.
    """
    while os.getppid() == nginx:
        found, before = addresses(known), children(nginx)
        reloads = PID.exists() and found != known
        if reloads:
            os.kill(nginx, signal.SIGHUP)
        time.sleep(SECONDS)
        if reloads and (children(nginx) - before or not before):
            known = found


def children(process: int) -> set[str]:
    """The numbers of the processes that a process has started; none where the kernel tells none."""
    with suppress(OSError):
        return set(Path(f"/proc/{process}/task/{process}/children").read_text().split())
    return set()


if __name__ == "__main__":
    PID.unlink(missing_ok=True)  # of a run that was killed
    # Looked up before nginx does: what changes while it starts costs a reload and is not missed.
    known = addresses()
    itself = os.getpid()
    if os.fork():
        os.execvp(NGINX[0], NGINX)  # noqa: S606
    follow(itself, known)
    sys.exit()
