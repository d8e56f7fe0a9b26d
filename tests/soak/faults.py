"""Faults under load: each is done to a running service, and what clients met is counted."""

import os
import resource
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from itertools import count, cycle, islice, pairwise
from pathlib import Path

import numpy as np
import requests
from numpy.typing import NDArray

from benchmarks.started import finished
from models.manifest import TWIN
from models.publish import import_version
from models.registry import Registry
from tests.fuzz.manifests import WORST
from tests.fuzz.shelf import Shelf, looked, over_http
from tests.fuzz.shelf import judge as judge_of_manifests
from tests.servers import PATIENCE, ROOT, Server, await_, request, running
from tests.soak.changes import MODEL, Change, plant
from tests.soak.load import LOST, REFUSED, loaded

POLL = 0.1  # seconds between two looks at the registry
LEAVING = 1.0  # DRAIN_SECONDS
WORKERS = 2
WORST_IN_TURN, NUMBERS = cycle(sorted(WORST)), count()
PLAIN = 4  # connections that ask once; our client has as many


@dataclass(frozen=True)
class Found:
    """What the clients met from a fault to the next: requests, and seconds until all went well."""

    fault: str
    times: int  # it was done
    sent: int
    answered: int
    lost: int
    refused: int
    others: int  # answers that were not 200
    retried: int  # by our client, which asks again
    unanswered: int  # of our client's, for good
    recovered: float

    @property
    def kept(self) -> bool:
        """Whether the clients lost no more than docs/reliability.md says.

        A kill may cost a request a connection of each worker; after a stop nobody could answer.
        """
        most = PLAIN * KILLS.get(self.fault, 0) * self.times
        well = self.answered > 0 and self.others == 0 and self.lost <= most
        return well and (self.fault == STOP or self.refused == self.unanswered == 0)


@dataclass(frozen=True)
class Faults:
    """What was found of each fault, and the service's log."""

    found: dict[str, Found]
    log: str

    def broken(self) -> list[str]:
        """A sentence for each fault that cost more than was promised."""
        return [f"{it}: more was lost than promised." for it in self.found.values() if not it.kept]

    def __str__(self) -> str:
        rows = (astuple(it) for it in self.found.values())
        return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


@dataclass(frozen=True)
class Under:
    """What a fault is done to."""

    service: Server
    registry: Registry
    shipped: Registry

    @property
    def folder(self) -> Path:
        """That of the model."""
        return self.registry.root / MODEL

    def publish(self) -> int:
        return import_version(self.registry, self.shipped.folder(MODEL, 1)).version

    def served(self) -> list[dict[str, object]]:
        """What the service tells of the model's versions."""
        asked = requests.get(f"{self.service.url}/models/{MODEL}", timeout=PATIENCE)
        return list(asked.json()["versions"])

    def loaded(self) -> set[object]:
        return {each["version"] for each in self.served() if each["state"] == "loaded"}


def kill(under: Under, most: int) -> None:
    service = under.service
    before, ports = service.workers(), listening(service.port)
    for pid in before[:most]:
        os.kill(pid, signal.SIGKILL)
    await_(
        lambda: len({*service.workers()} - {*before[:most]}) == len(before),
        "as many workers are there as before",
    )
    await_(lambda: listening(service.port) == ports, "they listen")
    await_(service.answers, "the service answers")


def listening(port: int) -> int:
    """How many sockets listen there."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def hang_up(under: Under) -> None:
    for _ in range(3):
        under.service.process.send_signal(signal.SIGHUP)
        time.sleep(POLL)


def spoil(under: Under, change: Change) -> None:
    """Publish a version whose twin is another than in its manifest, as `stable`, and go back."""
    good = under.registry.labelled(MODEL, "stable")
    version = plant(under.registry, change)
    await_(lambda: f"{version}/{TWIN} is not the file" in str(under.served()), "it is refused")
    under.registry.set_label(MODEL, "stable", good)


def nonsense_in_the_labels(under: Under) -> None:
    path = under.folder / "labels.json"
    before = path.read_text()
    for written in ('{"stab', "[]", '{"stable": "1"}', '{"stable": 99}', " " * 100_000):
        path.write_text(written)
        time.sleep(2 * POLL)
    path.write_text(before)


def registry_gone_and_back(under: Under) -> None:
    root = under.registry.root
    away = root.with_name("away")
    root.rename(away)
    time.sleep(2 * POLL)
    root.mkdir()  # as when the disk is not mounted
    time.sleep(2 * POLL)
    root.rmdir()
    away.rename(root)


def full_disk(under: Under) -> None:
    """Publish where no file may grow, as on a full disk: refused, and nothing of it is seen."""
    before = under.registry.versions(MODEL)
    root, version = under.registry.root, under.shipped.folder(MODEL, 1)
    ended = finished(
        [sys.executable, "-m", "models", "--registry", root, "import", version],
        cwd=ROOT,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("models: Nothing was published in "), ended.stderr
    assert under.registry.versions(MODEL) == before


def older_than_before(under: Under) -> None:
    """A version comes, and everything is older than what was there before."""
    version = under.publish()
    for path in (under.registry.root, *under.folder.rglob("*"), under.folder):
        os.utime(path, (1, 1))
    await_(lambda: version in under.loaded(), "it is served")


def swapped_by_a_symlink(under: Under) -> None:
    """The model's folder is another from one moment to the next."""
    folder = under.folder
    other, link = folder.with_name(".other"), folder.with_name(".link")
    shutil.copytree(folder, other)
    version = under.publish()
    link.symlink_to(other.name)
    folder.rename(folder.with_name(".first"))  # a folder cannot be replaced by a link at once
    link.rename(folder)
    await_(lambda: version not in under.loaded(), "the other folder is served")


def a_model_removed(under: Under) -> None:
    """Another model goes while it is served."""
    (under.registry.root / "deep").rename(under.registry.root / ".deep")


def strange_manifests(under: Under) -> None:
    """Models come whose manifests somebody else wrote, the worst that are known, and go again."""
    shelf = Shelf(under.registry.root, under.shipped)
    models = {f"strange-{next(NUMBERS)}": name for name in islice(WORST_IN_TURN, 7)}
    for model, name in models.items():
        shelf.put(model, 1, WORST[name](shelf.card(model)))
    for model in models:
        await_(
            lambda model=model: looked(under.service, model, 1) == WORKERS,  # type: ignore[misc]
            f"all workers have looked at {model}",
        )
        judge_of_manifests(over_http(under.service), model, 1)
        shelf.remove(model)


def clients_that_leave(under: Under) -> None:
    """Resets in the middle of a body and after a request, a half-closed connection."""
    before, whole = threads(under.service), request()
    for _ in range(10):
        for sent in (whole[:-5], whole[:40], whole, b""):
            with socket.create_connection(("127.0.0.1", under.service.port)) as connection:
                connection.sendall(sent)
                reset = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    await_(lambda: threads(under.service) <= before, "no thread is left behind")


def threads(service: Server) -> int:
    """How many threads all workers have."""
    return sum(len([*Path(f"/proc/{pid}/task").iterdir()]) for pid in service.workers())


KILLS = {"a worker killed": 1, "all workers killed": WORKERS}  # so many each time
FAULTS: dict[str, Callable[[Under], None]] = {
    **{name: partial(kill, most=many) for name, many in KILLS.items()},
    "SIGHUP, three times": hang_up,
    "a truncated file": partial(spoil, change=lambda content: content[: len(content) // 2]),
    "an altered file": partial(spoil, change=lambda content: content[:-1] + b"?"),
    "nonsense in labels.json": nonsense_in_the_labels,
    "the registry gone, empty, back": registry_gone_and_back,
    "the disk full": full_disk,
    "everything older than before": older_than_before,
    "a model's folder swapped by a symlink": swapped_by_a_symlink,
    "a model removed": a_model_removed,
    "7 manifests by somebody else": strange_manifests,
    "40 clients that leave early": clients_that_leave,
}
ONCE = {"a model's folder swapped by a symlink", "a model removed"}  # not undone afterwards
STOP = "SIGTERM"


def faults(folder: Path, shipped: Registry, pause: float = 1.0, rounds: int = 1) -> Faults:
    """Do each fault `rounds` times, `pause` seconds apart; tells what clients met."""
    registry = Registry(folder / "registry")
    registry.root.mkdir()
    for model in (MODEL, "deep"):
        import_version(registry, shipped.folder(model, 1))
    done: list[tuple[str, float]] = []
    settings = {"registry": registry.root, "poll_seconds": POLL, "drain_seconds": LEAVING}
    with (
        running(folder, workers=WORKERS, **settings) as service,
        loaded(service.port, PLAIN, by="ours") as ours,
        loaded(service.port, PLAIN) as plain,
    ):
        under = Under(service, registry, shipped)
        for name, fault in FAULTS.items():
            for _ in range(1 if name in ONCE else rounds):
                done.append((name, time.monotonic()))
                fault(under)
                time.sleep(pause)  # what one fault has done must not count for the next one
        done.append((STOP, time.monotonic()))
        assert service.stop() == 0
    spans = until_the_next(done).items()
    found = {name: judge(name, plain.samples, ours.samples, each) for name, each in spans}
    return Faults(found, service.output())


def until_the_next(done: list[tuple[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Of each fault from when to when it counts: nothing that clients met is between two."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for (name, began), (_, ended) in pairwise([*done, ("", np.inf)]):
        spans.setdefault(name, []).append((began, ended))
    return spans


def judge(
    fault: str,
    plain: NDArray[np.float64],
    ours: NDArray[np.float64],
    spans: list[tuple[float, float]],
) -> Found:
    """Count what ended in the time of a fault: also what was in a worker when it was killed."""
    met, asked = (np.concatenate([within(it, span) for span in spans]) for it in (plain, ours))
    failed = [within(plain[plain[:, 2] != 200], span)[:, 1] for span in spans]
    answered, lost, refused = (int((met[:, 2] == it).sum()) for it in (200, LOST, REFUSED))
    return Found(
        fault=fault,
        times=len(spans),
        sent=len(met),
        answered=answered,
        lost=lost,
        refused=refused,
        others=len(met) - answered - lost - refused,
        retried=int((asked[:, 5] > 0).sum()),
        unanswered=int((asked[:, 2] != 200).sum()),
        recovered=max(
            float(it.max(initial=at)) - at for it, (at, _) in zip(failed, spans, strict=True)
        ),
    )


def within(samples: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    """The requests that ended in the span."""
    return samples[(samples[:, 1] >= span[0]) & (samples[:, 1] < span[1])]
