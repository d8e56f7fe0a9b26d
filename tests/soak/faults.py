"""Faults under load: each is done to a running service, and what clients met is counted."""

import json
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count, cycle, islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.manifest import MANIFEST, TWIN
from models.publish import import_version
from models.registry import Registry
from tests.fuzz.manifests import WORST
from tests.fuzz.shelf import Shelf, looked, over_http
from tests.fuzz.shelf import judge as judge_of_manifests
from tests.servers import PATIENCE, ROOT, Server, await_, running
from tests.soak.load import LOST, REFUSED, REQUEST
from tests.soak.run import Plan, loaded

MODEL = "calories"
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


@dataclass(frozen=True)
class Under:
    """What a fault is done to."""

    service: Server
    registry: Registry
    shipped: Path  # a version to publish

    def served(self) -> dict[str, object]:
        """What the service tells of the model."""
        import requests  # noqa: PLC0415  the load process does without it

        told: dict[str, object] = requests.get(
            f"{self.service.url}/models/{MODEL}", timeout=PATIENCE
        ).json()
        return told


Fault = Callable[[Under], None]


def kill_a_worker(under: Under) -> None:
    kill(under, under.service.workers()[:1])


def kill_all_workers(under: Under) -> None:
    kill(under, under.service.workers())


def kill(under: Under, pids: list[int]) -> None:
    count, ports = len(under.service.workers()), listening(under.service.port)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    await_(
        lambda: len({*under.service.workers()} - {*pids}) == count,
        "as many workers are there as before",
    )
    await_(lambda: listening(under.service.port) == ports, "they listen")
    await_(under.service.answers, "the service answers")


def listening(port: int) -> int:
    """How many sockets listen there."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def hang_up(under: Under) -> None:
    for _ in range(3):
        under.service.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)


def publish(under: Under) -> int:
    return import_version(under.registry, under.shipped).version


def truncated_file(under: Under) -> None:
    spoil(under, lambda content: content[: len(content) // 2])


def altered_file(under: Under) -> None:
    spoil(under, lambda content: content[:-1] + bytes([content[-1] ^ 1]))


def spoil(under: Under, change: Callable[[bytes], bytes]) -> None:
    """Publish a version whose twin is another than in its manifest, as `stable`, and go back."""
    good = under.registry.labelled(MODEL, "stable")
    folder = under.registry.folder(MODEL, good)
    version = under.registry.latest(MODEL) + 1
    draft = folder.with_name(".draft")
    subprocess.run(["cp", "-r", folder, draft], check=True)  # noqa: S607
    manifest = json.loads((draft / MANIFEST).read_bytes())
    (draft / MANIFEST).write_text(json.dumps(manifest | {"version": version}))
    (draft / TWIN).write_bytes(change((draft / TWIN).read_bytes()))
    draft.rename(folder.with_name(str(version)))
    under.registry.set_label(MODEL, "stable", version)
    await_(lambda: f"{version}/{TWIN} is not the file" in str(under.served()), "it is refused")
    under.registry.set_label(MODEL, "stable", good)


def nonsense_in_the_labels(under: Under) -> None:
    path = under.registry.root / MODEL / "labels.json"
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
    command = [sys.executable, "-m", "models", "--registry", str(under.registry.root), "import"]
    ended = subprocess.run(
        [*command, str(under.shipped)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("models: Nothing was published in "), ended.stderr
    assert under.registry.versions(MODEL) == before


def older_than_before(under: Under) -> None:
    """A version comes, and everything is older than what was there before."""
    version = publish(under)
    for path in (under.registry.root, *(under.registry.root / MODEL).rglob("*")):
        os.utime(path, (1, 1))
    os.utime(under.registry.root / MODEL, (1, 1))
    await_(lambda: version in numbers(under), "it is served")


def swapped_by_a_symlink(under: Under) -> None:
    """The model's folder is another from one moment to the next."""
    folder = under.registry.root / MODEL
    other = folder.with_name(".other")
    subprocess.run(["cp", "-r", folder, other], check=True)  # noqa: S607
    version = publish(Under(under.service, Registry(under.registry.root), under.shipped))
    link = folder.with_name(".link")
    link.symlink_to(".other")
    folder.rename(folder.with_name(".first"))  # a folder cannot be replaced by a link at once
    link.rename(folder)
    await_(lambda: version not in numbers(under), "the other folder is served")


def numbers(under: Under) -> list[int]:
    versions = under.served()["versions"]
    assert isinstance(versions, list)
    return [each["version"] for each in versions if each["state"] == "loaded"]


def a_model_removed(under: Under) -> None:
    """Another model goes while it is served."""
    (under.registry.root / "deep").rename(under.registry.root / ".deep")


def strange_manifests(under: Under) -> None:
    """Models come whose manifests somebody else wrote, the worst that are known, and go again."""
    shelf = Shelf(under.registry.root, Registry(under.shipped.parent.parent))
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
    before = threads(under.service)
    for _ in range(10):
        for sent in (REQUEST[:-5], REQUEST[:40], REQUEST, b""):
            with socket.create_connection(("127.0.0.1", under.service.port)) as connection:
                connection.sendall(sent)
                reset = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
    await_(lambda: threads(under.service) <= before, "no thread is left behind")


def threads(service: Server) -> int:
    """How many threads all workers have."""
    found = [Path(f"/proc/{pid}/status").read_text() for pid in service.workers()]
    return sum(int(re.findall(r"Threads:\s+(\d+)", text)[0]) for text in found)


FAULTS: dict[str, Fault] = {
    "a worker killed": kill_a_worker,
    "all workers killed": kill_all_workers,
    "SIGHUP, three times": hang_up,
    "a truncated file": truncated_file,
    "an altered file": altered_file,
    "nonsense in labels.json": nonsense_in_the_labels,
    "the registry gone, empty, back": registry_gone_and_back,
    "the disk full": full_disk,
    "everything older than before": older_than_before,
    "a model's folder swapped by a symlink": swapped_by_a_symlink,
    "a model removed": a_model_removed,
    "7 manifests by somebody else": strange_manifests,
    "40 clients that leave early": clients_that_leave,
}
KILLS = {"a worker killed": 1, "all workers killed": WORKERS}  # so many each time
ONCE = {"a model's folder swapped by a symlink", "a model removed"}  # not undone afterwards
STOP = "SIGTERM"


def faults(
    folder: Path, shipped: Path, pause: float = 1.0, rounds: int = 1
) -> tuple[list[Found], str]:
    """Do each fault `rounds` times, `pause` seconds apart; gives what was found, and the log."""
    registry = Registry(folder / "registry")
    registry.root.mkdir()
    for model in (MODEL, "deep"):
        import_version(registry, shipped / model / "1")
    done: list[tuple[str, float]] = []
    with running(
        folder, workers=WORKERS, registry=registry.root, poll_seconds=POLL,
        drain_seconds=LEAVING,
    ) as service, loads(folder, service.port) as outs:  # fmt: skip
        time.sleep(1)  # our clients take longer to start
        under = Under(service, registry, shipped / MODEL / "1")
        for name, fault in [
            each for each in FAULTS.items() for _ in range(1 if each[0] in ONCE else rounds)
        ]:
            done.append((name, time.monotonic()))
            fault(under)
            time.sleep(pause)  # what one fault has done must not count for the next one
        done.append((STOP, time.monotonic()))
        assert service.stop() == 0
    plain, ours = (np.loadtxt(out, ndmin=2) for out in outs)
    spans = until_the_next(done)
    return [judge(name, plain, ours, spans[name]) for name in [*FAULTS, STOP]], service.output()


def until_the_next(done: list[tuple[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Of each fault from when to when it counts: nothing that clients met is between two."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for (name, began), (_, ended) in pairwise([*done, ("", np.inf)]):
        spans.setdefault(name, []).append((began, ended))
    return spans


@contextmanager
def loads(folder: Path, port: int) -> Iterator[tuple[Path, Path]]:
    """Clients that ask once, and ours that asks again."""
    plan = Plan(1, 1, 1, connections=PLAIN, pause=0.01)
    outs = folder / "plain.txt", folder / "ours.txt"
    with ExitStack() as stack:
        stack.enter_context(loaded(port, plan, outs[0]))
        stack.enter_context(loaded(port, plan, outs[1], by="tests.soak.client_load"))
        yield outs


def judge(
    fault: str,
    plain: NDArray[np.float64],
    ours: NDArray[np.float64],
    spans: list[tuple[float, float]],
) -> Found:
    """Count what ended in the time of a fault: also what was in a worker when it was killed."""
    met = np.concatenate([plain[within(plain, span)] for span in spans])
    asked = np.concatenate([ours[within(ours, span)] for span in spans])
    status = met[:, 2]
    recovered = [
        float(plain[within(plain, span) & (plain[:, 2] != 200), 1].max(initial=span[0])) - span[0]
        for span in spans
    ]
    return Found(
        fault=fault,
        times=len(spans),
        sent=len(met),
        answered=int((status == 200).sum()),
        lost=int((status == LOST).sum()),
        refused=int((status == REFUSED).sum()),
        others=int(((status != 200) & (status != LOST) & (status != REFUSED)).sum()),
        retried=int((asked[:, 5] > 0).sum()),
        unanswered=int((asked[:, 2] != 200).sum()),
        recovered=max(recovered),
    )


def within(samples: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.bool_]:
    """Which requests ended in the span."""
    found: NDArray[np.bool_] = (samples[:, 1] >= span[0]) & (samples[:, 1] < span[1])
    return found


def most_lost(found: Found) -> int:
    """How many requests the kills may have cost: of each worker, one a connection."""
    return PLAIN * KILLS.get(found.fault, 0) * found.times


def kept(found: Found) -> bool:
    """Whether the clients lost no more than docs/reliability.md says."""
    return (
        found.answered > 0
        and found.lost <= most_lost(found)
        and (found.refused == found.unanswered == 0 or found.fault == STOP)
        and found.others == 0
    )


def table(found: list[Found]) -> str:
    """Rows of Markdown."""
    return "\n".join(
        f"| {each.fault} | {each.sent:,} | {each.answered:,} | {each.lost} | "
        f"{each.refused:,} | {each.retried} | {each.unanswered} | {each.recovered:.2f} |"
        for each in found
    )
