"""python -m tests.fuzz [--requests 60000]: the long form of the fuzz."""

import argparse
import logging
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests

from models.publish import import_version
from models.registry import SHELF, Registry
from tests.fuzz import schema
from tests.fuzz.asked import ASKED
from tests.fuzz.doors import DIGESTS, KEYS, WITH_KEYS, drawn_of, meet, operations
from tests.fuzz.run import BATCH, SHAPE, Findings, fuzz
from tests.fuzz.shelf import attack_in_process
from tests.long_form import shelf, verdict
from tests.servers import DEV_PYTHON, PATIENCE, Server, running

SLOW = 1.0  # seconds in which every request must be answered


def main() -> int:
    """Print a table; returns 1 when an answer was not as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=60_000, help="in all")
    many = parser.parse_args().requests // len(ATTACKS)
    print("| dialect | requests | statuses | slowest, ms |\n|---|---|---|---|")
    wrong: list[str] = []
    with shelf() as registry:  # its own, for labels are moved
        settings = {"registry": registry.root, "admin_key_waived": True}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            workers = server.workers()
            for _ in range(5 * len(workers)):  # each loads pyarrow, and writes its document, once
                requests.get(f"{server.url}/openapi.json", timeout=PATIENCE)
                fuzz("arrow", server, 10)
            for name, attack in ATTACKS.items():
                found = attack(server, many)
                print(f"| {name} | {found} |", flush=True)
                wrong += [f"{name}: {failure}" for failure in found.failures]
                if found.slowest > SLOW:
                    wrong.append(f"{name}: an answer took {found.slowest:.1f} s")
            lost = {*workers} - {*server.workers()}
            _, failed, told = server.output().partition("Traceback")
            wrong += [f"{len(lost)} workers lost. {failed}{told}"] if lost or failed else []
    return verdict(wrong)


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
    """Manifests of somebody else in a registry, without a server."""
    logging.disable()  # each is refused with a line
    with tempfile.TemporaryDirectory() as folder:
        registry = Path(folder) / "registry"
        registry.mkdir()
        return attack_in_process(registry, Registry(SHELF), max(many // 2, 1))


# By the document there are fewer requests, for they are slow to draw.
ATTACKS: dict[str, Callable[[Server, int], Findings]] = {
    **{name: partial(fuzz, name) for name in (*ASKED, SHAPE)},
    "OpenAPI": lambda server, many: schema.fuzz(server.url, max(many // 100, 1))[0],
    "spellings": by_spellings,
    "manifests": by_manifests,
}


if __name__ == "__main__":
    sys.exit(main())
