"""python -m tests.fuzz [--requests 60000]: the long form of the fuzz."""

import argparse
import logging
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from models.publish import import_version
from models.registry import SHELF, Registry
from tests.conftest import SHIPPED
from tests.fuzz import schema
from tests.fuzz.asked import ASKED
from tests.fuzz.doors import DIGESTS, KEYS, WITH_KEYS, drawn_of, meet, operations
from tests.fuzz.run import BATCH, SHAPE, Findings, Fuzzer, fuzz
from tests.fuzz.shelf import Shelf, attack_in_process, looked, over_http
from tests.fuzz.shelf import attack as attack_by_manifest
from tests.servers import DEV_PYTHON, PATIENCE, Server, await_, running

SLOW = 1.0  # seconds in which every request must be answered
DOCUMENT = "OpenAPI"  # requests drawn from the document, right ones and wrong ones
SPELLINGS = "spellings"  # of paths, asked with every key and with none
MANIFESTS = "manifests"  # of the generator, in the registry; a request a version
NAMES = (*ASKED, SHAPE, DOCUMENT, SPELLINGS, MANIFESTS)


def main() -> int:
    """Print a table; returns 1 when an answer was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000, help="in all")
    parser.add_argument("--only", choices=NAMES, nargs="+", default=NAMES, help="of these alone")
    options = parser.parse_args()
    print("| dialect | requests | statuses | slowest, ms |\n|---|---|---|---|")
    with serving() as server:
        wrong = attack(server, options.only, options.requests // len(NAMES))
    if MANIFESTS in options.only:
        wrong += in_process(max(options.requests // 30, 1))
    print(*wrong, sep="\n")
    return 1 if wrong else 0


@contextmanager
def serving() -> Iterator[Server]:
    """A server over a registry of its own, for the document's requests move labels."""
    with (
        shelf() as registry,
        running(
            registry.root.parent,
            DEV_PYTHON,
            registry=registry.root,
            admin_key_waived=True,
        ) as server,
    ):
        yield server


@contextmanager
def shelf() -> Iterator[Registry]:
    """A registry of what ships."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "registry")
        for model in SHIPPED:
            shutil.copytree(SHELF / model / "1", registry.root / model / "1")
        yield registry


def attack(server: Server, names: list[str], many: int) -> list[str]:
    """Put a server through `many` requests of each name; gives what was wrong."""
    workers, wrong = server.workers(), []
    for _ in range(5 * len(workers)):  # a worker loads pyarrow, and writes its document, once
        requests.get(f"{server.url}/openapi.json", timeout=PATIENCE)
        with Fuzzer(server) as warm:
            fuzz(warm, "arrow", 10)
    with Fuzzer(server) as fuzzer:
        for name in names:
            if name == DOCUMENT:
                found = by_document(server, many)
            elif name == SPELLINGS:
                found = by_spellings(many)
            elif name == MANIFESTS:
                found = by_manifest(many)
            else:
                found = fuzz(fuzzer, name, many)
            told = ", ".join(
                f"{status}: {times}" for status, times in sorted(found.statuses.items())
            )
            slowest = f"{1000 * found.slowest:.0f}" if found.slowest else ""
            print(f"| {name} | {found.requests} | {told} | {slowest} |", flush=True)
            wrong += found.failures
            if found.slowest > SLOW:
                wrong.append(f"{name}: an answer took {found.slowest:.1f} s")
    lost = len(set(workers) - set(server.workers()))
    print(f"workers lost: {lost}", flush=True)
    _, failed, told = server.output().partition("Traceback")
    if lost or failed:
        wrong.append(f"{failed}{told[:5000]}")
    return wrong


def in_process(many: int) -> list[str]:
    """Many more manifests, without a server; gives what was wrong."""
    logging.disable()  # each is refused with a line
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        registry.mkdir()
        found = attack_in_process(registry, Registry(SHELF), many)
    told = ", ".join(f"{status}: {times}" for status, times in sorted(found.statuses.items()))
    print(f"| {MANIFESTS}, without a server | {found.requests} | {told} | |", flush=True)
    return found.failures


def by_document(server: Server, many: int) -> Findings:
    """Schemathesis's requests, fewer, for they are slow to draw."""
    fuzzer = schema.Fuzzer([server.url])
    fuzzer.fuzz(max(many // 100, 1))
    statuses = sum(fuzzer.statuses.values(), Counter[int]())
    return Findings(statuses, slowest=fuzzer.slowest, failures=fuzzer.failures)


def by_spellings(many: int) -> Findings:
    """Spellings of spellings, to a server with keys; each is asked with none and with both."""
    with shelf() as registry:
        import_version(registry, SHELF / "calories" / "1")
        settings = {"registry": registry.root, **DIGESTS}
        with running(registry.root.parent, DEV_PYTHON, workers=1, **settings) as server:
            found, statuses, failures = operations(server.url), Counter[int](), []
            each = many // len(KEYS)
            for at in range(0, each, BATCH):
                asked = drawn_of(found, min(BATCH, each - at), at)
                met = meet(server.port, asked, registry, WITH_KEYS)
                statuses.update(it.status for each in met.answers.values() for it in each)
                failures += met.wrong
    return Findings(statuses, failures=failures)


def by_manifest(many: int) -> Findings:
    """Manifests, fewer: every worker must have looked at one before the next one comes."""
    times: Counter[int] = Counter()

    def wait(model: str, version: int) -> None:
        times[version] += 1
        await_(
            lambda: looked(server, model, version) == workers * times[version],
            f"all workers have looked at version {version}",
        )

    with shelf() as registry:
        settings = {"registry": registry.root, "poll_seconds": 0.1}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            workers = len(server.workers())
            strange = Shelf(registry.root, Registry(SHELF))
            found = attack_by_manifest(strange, over_http(server), wait, max(many // 25, 1))
            if "Traceback" in server.output() or len(server.workers()) != workers:
                found.failures.append(server.output()[-5000:])
    return found


if __name__ == "__main__":
    sys.exit(main())
