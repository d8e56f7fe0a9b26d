"""What happens to the registry during the soak, and which version may answer when."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from models.manifest import MANIFEST, TWIN, Manifest
from models.publish import prune, publish, staging
from models.registry import Registry
from service.serving.engines import load
from tests.servers import ROW

MODEL = "calories"
Change = Callable[[bytes], bytes]
SOURCES = ("calories", "deep", "linear")  # their answers differ, so a mixed-up one is seen


@dataclass
class Changes:
    """Publishes, labels, damages, rolls back; `spans` says from when to when a version may answer.

    Times are of the monotonic clock. A span opens before its label is moved and closes after
    the label has moved on.
    """

    registry: Registry
    shipped: Registry
    expected: dict[int, float] = field(default_factory=dict)  # version: kcal for ROW
    live: list[tuple[int, float, float]] = field(default_factory=list)  # version, from, to
    done: int = 0
    _open: dict[int, float] = field(default_factory=dict)

    def step(self) -> None:
        """The next change of a cycle of ten."""
        damage, back = partial(plant, self.registry), partial(self.registry.rollback, MODEL)
        end_canary = partial(self.registry.remove_label, MODEL, "canary")
        steps = (
            *(self.publish, self.publish, damage, back, self.publish),
            *(self._canary, self.publish, end_canary, self.publish, back),
        )
        self.do(steps[self.done % len(steps)])
        self.done += 1
        prune(self.registry, MODEL, keep=6)

    def do(self, change: Callable[[], object]) -> None:
        """Open and close spans around a change; what answered goes on while `stable` is damaged."""
        began = time.monotonic()
        change()
        places = self.registry.placed(MODEL)
        now = {at.version for label, at in places.items() if label == "stable" or at.percent}
        if now <= self.expected.keys():
            for version in self._open.keys() - now:
                self.live.append((version, self._open.pop(version), time.monotonic()))
            for version in now:
                self._open.setdefault(version, began)

    def spans(self) -> list[tuple[int, float, float]]:
        """All spans, those that are open until the end of time."""
        return [*self.live, *((version, since, np.inf) for version, since in self._open.items())]

    def publish(self, *, promote: bool = True) -> int:
        """Another of the sources, as the next version."""
        source = SOURCES[self.done % len(SOURCES)]
        manifest = self.shipped.manifest(source, 1)
        with staging(self.registry, MODEL) as draft:
            shutil.copytree(self.shipped.folder(source, 1), draft, dirs_exist_ok=True)
            (draft / MANIFEST).unlink()
            renamed = manifest.model_copy(update={"model": MODEL})
            version = publish(self.registry, draft, renamed, promote=promote)
        self.expected[version] = answer(self.shipped, manifest)
        return version

    def _canary(self) -> None:
        self.registry.set_label(MODEL, "canary", self.publish(promote=False), percent=25)


def plant(registry: Registry, change: Change = lambda content: content[:-1] + b"?") -> int:
    """A version whose twin is another than in its manifest, and `stable` pointed at it."""
    good = registry.folder(MODEL, registry.labelled(MODEL, "stable"))
    with staging(registry, MODEL) as draft, registry.locked(MODEL):
        version = registry.latest(MODEL) + 1
        shutil.copytree(good, draft, dirs_exist_ok=True)
        manifest = json.loads((draft / MANIFEST).read_bytes())
        (draft / MANIFEST).write_text(json.dumps(manifest | {"version": version}))
        (draft / TWIN).write_bytes(change((draft / TWIN).read_bytes()))
        draft.rename(registry.root / MODEL / str(version))
    registry.set_label(MODEL, "stable", version)
    return version


def answer(registry: Registry, manifest: Manifest) -> float:
    """What a version answers to ROW, in kcal."""
    row = np.array([[ROW[name] for name in manifest.input_names]], np.float32)
    return float(load(registry, manifest, "litert").predict(row)[0][0])
