"""python -m tests.fuzz [--requests 60000] [--only NAME ...]: the long form of the fuzz."""

import argparse
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests

from models.publish import import_version
from models.registry import SHELF, Registry
from tests.fuzz import schema
from tests.fuzz.asked import ASKED
from tests.fuzz.doors import DIGESTS, KEYS, WITH_KEYS, drawn_of, meet, operations
from tests.fuzz.run import BATCH, SHAPE, Findings, Fuzzer, fuzz
from tests.fuzz.shelf import Shelf, attack, attack_in_process, looked, over_http
from tests.long_form import shelf, verdict
from tests.servers import DEV_PYTHON, PATIENCE, Server, await_, running

SLOW = 1.0  # seconds in which every request must be answered


def main() -> int:
    """Print a table; returns 1 when an answer was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000, help="in all")
    parser.add_argument(
        "--only", choices=ATTACKS, nargs="+", default=ATTACKS, help="of these alone"
    )
    options = parser.parse_args()
    print("| dialect | requests | statuses | slowest, ms |\n|---|---|---|---|")
    wrong: list[str] = []
    with shelf() as registry:  # its own, for labels are moved
        settings = {"registry": registry.root, "admin_key_waived": True}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            workers = server.workers()
            for _ in range(
                5 * len(workers)
            ):  # a worker loads pyarrow, and writes its document, once
                requests.get(f"{server.url}/openapi.json", timeout=PATIENCE)
                by_requests("arrow", server, 10)
            for name in options.only:
                found = ATTACKS[name](server, options.requests // len(ATTACKS))
                print(f"| {name} | {found} |", flush=True)
                wrong += [f"{name}: {failure}" for failure in found.failures]
                if found.slowest > SLOW:
                    wrong.append(f"{name}: an answer took {found.slowest:.1f} s")
            wrong += harmed(server, workers)
    return verdict(wrong)


def harmed(server: Server, workers: list[int]) -> list[str]:
    """What became of a server that should be as before."""
    lost = len(set(workers) - set(server.workers()))
    _, failed, told = server.output().partition("Traceback")
    return [f"{lost} workers lost. {failed}{told[:5000]}"] if lost or failed else []


def by_requests(name: str, server: Server, many: int) -> Findings:
    """Requests of a dialect, or what is no HTTP."""
    with Fuzzer(server) as fuzzer:
        return fuzz(fuzzer, name, many)


def by_document(server: Server, many: int) -> Findings:
    """Requests drawn from the document, right and wrong; fewer, for they are slow to draw."""
    fuzzer = schema.Fuzzer([server.url])
    fuzzer.fuzz(max(many // 100, 1))
    statuses = sum(fuzzer.statuses.values(), Counter[int]())
    return Findings(statuses, fuzzer.slowest, fuzzer.failures)


def by_spellings(_: Server, many: int) -> Findings:
    """Spellings of spellings of paths, to a server with keys; each with none and with both."""
    with shelf() as registry:
        import_version(registry, SHELF / "calories" / "1")
        settings = {"registry": registry.root, "max_wait_seconds": PATIENCE, **DIGESTS}
        with running(registry.root.parent, DEV_PYTHON, workers=1, **settings) as server:
            known, found, each = operations(server.url), Findings(), many // len(KEYS)
            for at in range(0, each, BATCH):
                asked = drawn_of(known, min(BATCH, each - at), at)
                met = meet(server.port, asked, registry, WITH_KEYS)
                found.statuses.update(it.status for each in met.answers.values() for it in each)
                found.failures += met.wrong
    return found


def by_manifests(_: Server, many: int) -> Findings:
    """Manifests in a registry, a request a version; fewer, for every worker must have looked."""
    times: Counter[int] = Counter()
    with shelf() as registry:
        settings = {"registry": registry.root, "poll_seconds": 0.1}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            workers = server.workers()

            def wait(model: str, version: int) -> None:
                times[version] += 1
                await_(
                    lambda: looked(server, model, version) == len(workers) * times[version],
                    f"all workers have looked at version {version}",
                )

            strange = Shelf(registry.root, Registry(SHELF))
            found = attack(strange, over_http(server), wait, max(many // 25, 1))
            found.failures += harmed(server, workers)
    return found


def by_manifests_in_process(_: Server, many: int) -> Findings:
    """Many more of them, without a server."""
    logging.disable()  # each is refused with a line
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        registry.mkdir()
        return attack_in_process(registry, Registry(SHELF), max(many // 2, 1))


ATTACKS: dict[str, Callable[[Server, int], Findings]] = {
    **{name: partial(by_requests, name) for name in (*ASKED, SHAPE)},
    "OpenAPI": by_document,
    "spellings": by_spellings,
    "manifests": by_manifests,
    "manifests in process": by_manifests_in_process,
}


if __name__ == "__main__":
    sys.exit(main())
