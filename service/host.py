"""The host: the versions in memory. It follows the registry and swaps without a gap.

A snapshot of what is served is never changed, only replaced: a request takes the snapshot
once and computes on what it found there, while the next version is loaded beside it.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from models.manifest import Manifest
from models.registry import STABLE, Registry, RegistryError
from service.engines import Choice, Engine, load
from service.errors import NotFound, NotLoaded

log = logging.getLogger("service.host")


class Loaded:
    """One version in memory: its manifest, its engine and the ranges of its inputs."""

    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self.manifest = manifest
        self.engine = engine
        self.model = manifest.model
        self.version = manifest.version
        self.inputs = manifest.input_names
        # [k, 1], to be compared with columns.
        self.low = np.array([[each.min] for each in manifest.inputs], np.float32)
        self.high = np.array([[each.max] for each in manifest.inputs], np.float32)


@dataclass(frozen=True)
class Model:
    """What is served of one model, and why a version is not."""

    labels: Mapping[str, int] = field(default_factory=dict)
    loaded: Mapping[int, Loaded] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)


Snapshot = Mapping[str, Model]


class Host:
    """Holds each model's labelled and `latest_versions` newest versions."""

    def __init__(self, registry: Registry, engine: Choice, latest_versions: int) -> None:
        self.registry = registry
        self.snapshot: Snapshot = {}
        self._engine = engine
        self._latest_versions = latest_versions
        self._trouble = ""
        self._stop = threading.Event()

    def find(self, model: str, version: int | None = None, label: str | None = None) -> Loaded:
        """The version to answer with: the given one, the labelled one, or `stable`.

        Raises NotFound with what there is, and NotLoaded with the reason.
        """
        served = self.snapshot.get(model)
        if served is None:
            known = ", ".join(self.snapshot) or "none yet"
            raise NotFound(f"There is no model '{model}'; served are: {known}.")
        if version is None:
            version = served.labels.get(label or STABLE)
        if version is None and served.failures:
            raise NotLoaded(" ".join(served.failures.values()))
        if version is None:
            known = ", ".join(sorted(served.labels)) or "none"
            raise NotFound(f"Model '{model}' has no label '{label or STABLE}'; it has: {known}.")
        found = served.loaded.get(version)
        if found is None and version in served.failures:
            raise NotLoaded(f"{model} version {version} is not served: {served.failures[version]}")
        if found is None:
            known = ", ".join(map(str, sorted(served.loaded))) or "none"
            raise NotFound(f"Model '{model}' version {version} is not loaded; loaded are: {known}.")
        return found

    def refresh(self) -> None:
        """Look at the registry and load what is new; whatever fails, what was served goes on."""
        try:
            models = self.registry.models()
        except (RegistryError, OSError) as error:
            self._tell(str(error))
            return
        self._tell("")
        self.snapshot = {name: self._model(name, self.snapshot.get(name)) for name in models}

    def follow(self, seconds: float) -> None:
        """Refresh every so many seconds in a thread of its own, until `close`."""

        def run() -> None:
            while not self._stop.wait(seconds):
                try:
                    self.refresh()
                except Exception:
                    log.exception("The registry could not be followed; trying again.")

        threading.Thread(target=run, name="follow-registry", daemon=True).start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _model(self, model: str, before: Model | None) -> Model:
        before = before or Model()
        try:
            labels = self.registry.labels(model)
            versions = self.registry.versions(model)
        except (RegistryError, OSError) as error:
            self._tell(str(error))
            return before
        loaded: dict[int, Loaded] = {}
        failures: dict[int, str] = {}
        for version in sorted({*labels.values(), *versions[-self._latest_versions :]}):
            try:
                loaded[version] = before.loaded.get(version) or self._load(model, version)
            except Exception as error:  # noqa: BLE001  whatever a model does, the others are served
                failures[version] = str(error)
                if before.failures.get(version) != str(error):
                    log.error("%s version %d is not served: %s", model, version, error)  # noqa: TRY400
        return Model(_settled(labels, loaded, before), loaded, failures)

    def _load(self, model: str, version: int) -> Loaded:
        manifest = self.registry.verify(model, version)
        found = Loaded(manifest, load(self.registry, manifest, self._engine))
        _warm_up(found)
        log.info("%s version %d is loaded (%s)", model, version, found.engine.name)
        return found

    def _tell(self, trouble: str) -> None:
        """Log trouble with the registry once, not at every look."""
        if trouble and trouble != self._trouble:
            log.error("The registry cannot be read, what is loaded goes on: %s", trouble)
        self._trouble = trouble


def _settled(labels: Mapping[str, int], loaded: dict[int, Loaded], before: Model) -> dict[str, int]:
    """The labels that can be served; one whose new version failed stays where it was."""
    settled: dict[str, int] = {}
    for label, version in labels.items():
        if version in loaded:
            settled[label] = version
        elif (old := before.labels.get(label)) is not None and old in before.loaded:
            settled[label] = old
            loaded[old] = before.loaded[old]
    return settled


def _warm_up(found: Loaded) -> None:
    """Answer the training means once; raises RuntimeError when the answer is no number."""
    means = np.array([[each.mean for each in found.manifest.inputs]], np.float32)
    if not all(np.isfinite(column).all() for column in found.engine.predict(means)):
        raise RuntimeError(
            f"{found.model} version {found.version} answers its own training mean with "
            "something that is no finite number."
        )
