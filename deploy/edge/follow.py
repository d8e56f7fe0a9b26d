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
    """Look until nginx has ended. Before nginx has written its number, a signal would end it."""
    while os.getppid() == nginx:
        if PID.exists() and (found := addresses(known)) != known:
            os.kill(nginx, signal.SIGHUP)
            known = found
        time.sleep(SECONDS)


if __name__ == "__main__":
    PID.unlink(missing_ok=True)  # of a run that was killed
    # Looked up before nginx does: what changes while it starts costs a reload and is not missed.
    known = addresses()
    itself = os.getpid()
    if os.fork():
        os.execvp(NGINX[0], NGINX)  # noqa: S606
    follow(itself, known)
    sys.exit()
