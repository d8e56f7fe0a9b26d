"""Ray Data as the engine of a folder: the blocks are its rows, the data plane its actors.

Every node needs this repository, its environment (requirements/scale.txt), and sees IN, OUT and
the registry under the same paths. Ray starts as many actors as there are cores, gives them one
block at a time, and gives a block again whose node has died.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import ray
import ray.data
import ray.exceptions

from models.numbers import whole
from models.registry import RegistryError
from service.batch.blocks import Block, Scorer, Work
from service.batch.tables import TableError
from service.errors import ServiceError

WRONG = "wrong"
OBJECT_STORE = 100 * 1024 * 1024  # bytes: what passes through it are the blocks' names


class _Actor:
    """One scorer; Ray hands over rows as dictionaries.

    What is wrong comes back as a sentence: raised, it would reach the user as Ray's tracebacks.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._score: Scorer | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            if self._score is None:
                self._score = Scorer(self._work)
            self._score(Block(**row))
        except (TableError, RegistryError, ServiceError, OSError) as error:
            return {**row, WRONG: str(error)}
        return {**row, WRONG: ""}


def run(work: Work, todo: Sequence[Block], address: str) -> Iterator[Block]:
    """Score the blocks on a cluster, or on this machine's cores ('local'); gives each when done.

    Raises TableError when the cluster cannot be reached, a block cannot be scored, or Ray gives up.
    """
    _connect(address)
    try:
        cores = max(int(ray.cluster_resources().get("CPU", 1)), 1)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([asdict(block) for block in todo], override_num_blocks=len(todo))
        done = rows.map(
            _Actor,
            fn_constructor_args=(work,),
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(cores, len(todo))),
            num_cpus=1,
        )
        for row in done.iter_rows():
            if wrong := row.pop(WRONG):
                raise TableError(wrong)
            yield Block(**row)
    except ray.exceptions.RayError as error:
        raise TableError(f"Ray gave up; the same command goes on. It said: {error}") from error
    finally:
        ray.shutdown()


def _connect(address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address == "local":
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=OBJECT_STORE,
            _node_ip_address="127.0.0.1",
            **quiet,
        )
        return
    try:
        _try(address)
        ray.init(address=address, **quiet)
    except (OSError, ValueError) as error:
        raise TableError(
            f"no Ray cluster answers at {address}: {error}. Start one with 'ray start --head', or "
            "leave the address out to use this machine's cores."
        ) from error


def _try(address: str) -> None:
    """Raise OSError when nobody listens at HOST:PORT; Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not colon or "/" in host:
        return
    number = whole(port, 65535)
    if number is None:
        raise ValueError(f"'{port[:40]}' is no port")
    socket.create_connection((host, number), timeout=5).close()
