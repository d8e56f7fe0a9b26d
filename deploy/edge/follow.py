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
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 1.0
SERVERS = Path(__file__).with_name("servers.conf")
SERVER = re.compile(r"^server (\S+):(\d+)", re.MULTILINE)
# The root file system is read-only: what nginx writes lies in /tmp.
NGINX = ("nginx", "-p", "/tmp", "-c", "/etc/nginx/nginx.conf", "-g", "daemon off;")  # noqa: S108


def addresses() -> frozenset[object]:
    """The addresses of all servers now. Raises OSError when a name has none, or nobody answers."""
    return frozenset(
        found[4]
        for name, port in SERVER.findall(SERVERS.read_text())
        for found in socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)
    )


def follow(nginx: int) -> None:
    """Look until nginx has ended; a name that has no address just now changes nothing."""
    known: frozenset[object] | None = None
    while os.getppid() == nginx:
        found = known
        with suppress(OSError):
            found = addresses()
        if known is not None and found != known:
            os.kill(nginx, signal.SIGHUP)
        known = found
        time.sleep(SECONDS)


if __name__ == "__main__":
    itself = os.getpid()
    if os.fork():
        os.execvp(NGINX[0], NGINX)  # noqa: S606
    follow(itself)
    sys.exit()
