"""python -m benchmarks.capacity: what 1,000, 100,000 and 10 million requests a second need.

The first table is arithmetic on what `make bench` found (docs/performance.md): processor time a
request, memory a worker. The others are measured and simulated here: what a TLS handshake costs
the server, what a reader of the registry costs, and how long requests wait behind a hundred
replicas by each way of balancing. Prints Markdown; takes half a minute.
"""

import cProfile
import heapq
import pstats
import random
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from models.registry import SHELF, Registry
from service.app import create_host
from service.settings import Settings

PERFORMANCE = Path(__file__).parent.parent / "docs" / "performance.md"
RATES = (1_000, 100_000, 10_000_000)
BUSY = 0.6  # share of the processors in use; the rest is for bursts and for a lost replica
CORES = 4  # of one replica
WIRE = 600 + 650  # bytes of one row's request and answer with their headers, TCP's included
HANDSHAKES = 1_000
READERS = 1_000
REPLICAS = 100


def main() -> None:
    """Print the tables."""
    print("\n".join([*needs(), "", *handshakes(), "", *readers(), "", *balance()]))


def needs() -> Iterator[str]:
    """Cores, replicas, memory and network for each rate, with nginx as the balancer."""
    yield "| requests a second | cores | replicas | memory, GB | network, Gbit/s |"
    yield "| ---: | ---: | ---: | ---: | ---: |"
    each = _processor("service", 64) + _processor("constant, nginx", 64)
    for rate in RATES:
        cores = ceil(rate * each / BUSY)
        replicas = ceil(cores / CORES)
        memory = replicas * CORES * _memory() / 1e9
        network = rate * WIRE * 8 / 1e9
        yield f"| {rate:,} | {cores:,} | {replicas:,} | {memory:,.1f} | {network:,.2f} |"


def _processor(subject: str, connections: int) -> float:
    """Seconds of processor time a request of one row, as docs/performance.md has it."""
    found = re.search(rf"^\| {subject} \| {connections} \| ([\d,]+) \|", _measured(), re.MULTILINE)
    if not found:
        raise SystemExit(f"docs/performance.md has no row '{subject}', {connections} connections.")
    return float(found[1].replace(",", "")) / 1e6


def _memory() -> float:
    """Bytes (RSS) of a worker, requests of 100,000 rows behind it."""
    found = re.search(r"^\| service \| [\d.]+ \| \d+ \| (\d+) \|", _measured(), re.MULTILINE)
    if not found:
        raise SystemExit("docs/performance.md tells no memory of a worker.")
    return float(found[1]) * 1e6


def _measured() -> str:
    return PERFORMANCE.read_text()


def handshakes() -> Iterator[str]:
    """The server's processor time of a whole TLS handshake, and how many requests that is.

    Both ends are OpenSSL in this process with memory between them, so no socket is counted; the
    client looks at the certificate, no session is resumed.
    """
    server, client = contexts()
    took = sum(handshake(server, client) for _ in range(HANDSHAKES)) / HANDSHAKES
    subjects = ("service", "constant, nginx")
    requests = [f"{took / _processor(subject, 64):.1f}" for subject in subjects]
    heads = " | ".join(f"requests of {subject}" for subject in subjects)
    yield f"| a handshake, µs | {heads} |"
    yield "| ---: |" + " ---: |" * len(subjects)
    yield f"| {took * 1e6:.0f} | {' | '.join(requests)} |"


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> float:
    """Seconds of processor time that the server's side takes."""
    asked, told = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(asked, told, server_side=True)
    here = client.wrap_bio(told, asked, server_hostname="localhost")
    seconds = 0.0
    while there.version() is None:
        _go_on(here)
        began = time.thread_time()
        _go_on(there)
        seconds += time.thread_time() - began
    return seconds


def _go_on(side: ssl.SSLObject) -> None:
    with suppress(ssl.SSLWantReadError):
        side.do_handshake()


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server with an ECDSA P-256 certificate, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternative = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(secret + certificate)
        file.flush()
        server.load_cert_chain(file.name)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=certificate.decode())
    return server, client


def readers() -> Iterator[str]:
    """What an idle look at the registry costs, and a thousand looks: one reader's, in sequence."""
    host = create_host(Settings(registry=SHELF))
    began = time.process_time()
    for _ in range(READERS):
        host.refresh()
    seconds = time.process_time() - began
    calls = _file_calls(host.refresh)
    models = len(Registry(SHELF).models())
    yield f"| looks at {models} models | processor time, ms | calls of the file system |"
    yield "| ---: | ---: | ---: |"
    yield f"| 1 | {seconds / READERS * 1e3:.2f} | {calls} |"
    yield f"| {READERS:,} a second | {seconds * 1e3:,.0f} a second | {calls * READERS:,} a second |"


def _file_calls(look: Callable[[], None]) -> int:
    """How often one look asks the operating system about files."""
    profile = cProfile.Profile()
    profile.runcall(look)
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]  # it is there
    asked = re.compile(r"posix\.(stat|lstat|scandir|listdir|open)|_?io\.open")
    return sum(figures[0] for (*_, name), figures in stats.items() if asked.search(name))


Choose = Callable[[Sequence[int], random.Random], int]  # the waiting at each replica -> one of them


def _any(waiting: Sequence[int], chance: random.Random) -> int:
    return chance.randrange(len(waiting))


def _better_of_two(waiting: Sequence[int], chance: random.Random) -> int:
    one, two = chance.randrange(len(waiting)), chance.randrange(len(waiting))
    return one if waiting[one] <= waiting[two] else two


def _fewest(waiting: Sequence[int], chance: random.Random) -> int:
    least = min(waiting)
    start = chance.randrange(len(waiting))
    ring = range(start, start + len(waiting))
    return next(place % len(waiting) for place in ring if waiting[place % len(waiting)] == least)


WAYS: dict[str, Choose] = {
    "by chance": _any,
    "the better of two by chance": _better_of_two,
    "fewest in flight, all known": _fewest,
}


def balance() -> Iterator[str]:
    """How long an answer takes behind a hundred replicas, in times its own processor time."""
    loads = (0.5, 0.7, 0.9)
    heads = " | ".join(f"{load:.0%} busy" for load in loads)
    yield f"| p99 of {REPLICAS} replicas | {heads} |"
    yield "| --- |" + " ---: |" * len(loads)
    for name, choose in WAYS.items():
        told = " | ".join(f"{_p99(choose, load):.1f}" for load in loads)
        yield f"| {name} | {told} |"


def _p99(choose: Choose, load: float, requests: int = 200_000) -> float:
    """The p99 of a queue of one server a replica, requests of one size, arrivals by chance."""
    chance = random.Random(0)  # noqa: S311  a simulation
    free_at = [0.0] * REPLICAS
    waiting = [0] * REPLICAS
    ends: list[tuple[float, int]] = []
    now, took = 0.0, []
    for _ in range(requests):
        now += chance.expovariate(load * REPLICAS)
        while ends and ends[0][0] <= now:
            waiting[heapq.heappop(ends)[1]] -= 1
        place = choose(waiting, chance)
        free_at[place] = max(now, free_at[place]) + 1
        waiting[place] += 1
        heapq.heappush(ends, (free_at[place], place))
        took.append(free_at[place] - now)
    took.sort()
    return took[int(len(took) * 0.99)]


if __name__ == "__main__":
    main()
