"""What is served: immutable values that the host replaces and requests read."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from models.labels import STABLE
from models.manifest import Manifest
from models.registry import BrokenVersion, Registry
from service.serving.accepted import Accepted
from service.serving.engines import Choice, Engine, load


class State(StrEnum):
    """Where a version is on its way into memory and out of it."""

    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"
    FAILED = "failed"


class VersionStatus(NamedTuple):
    """A version's state; the reason says why it failed, or why a loaded one was not renewed."""

    state: State
    reason: str = ""


class Chosen(NamedTuple):
    """What a version is, for who must let its engine go; the label is as in Loaded.

    `made` holds what observers made for the version: it goes with it.
    """

    manifest: Manifest
    label: str
    made: dict[str, Any]


class Loaded:
    """One version in memory: its manifest, its engine and the ranges of its inputs.

    `label` is the label by whose share of the requests it answers, else empty.
    """

    def __init__(self, manifest: Manifest, engine: Engine, label: str = "") -> None:
        self.manifest = manifest
        self.engine = engine
        self.model = manifest.model
        self.version = manifest.version
        self.label = label
        self.chosen = Chosen(manifest, label, {})
        self.inputs = manifest.input_names
        self.outputs = manifest.output_names
        self.accepted = Accepted.by(manifest)
        self.signatures = manifest.signatures
        self.tensors = manifest.tensors
        # What training saw: [k, 1], to be compared with columns, empty where nobody knows.
        self.low = np.array([[each.min] for each in manifest.seen], np.float32)
        self.high = np.array([[each.max] for each in manifest.seen], np.float32)
        # The same float32 numbers as Python's, to be compared with one row.
        ends = self.low.ravel().tolist(), self.high.ravel().tolist()
        self.ranges = ends if manifest.seen else None
        means = [each.mean for each in manifest.seen]
        self.mean = np.array(means, np.float32) if means else None

    @classmethod
    def verified(cls, registry: Registry, model: str, version: int, choice: Choice) -> "Loaded":
        """The version, checked and loaded, when it answers as its manifest says.

        Raises BrokenVersion, and what else the registry and the engines raise.
        """
        manifest = registry.verify(model, version)
        found = cls(manifest, load(registry, manifest, choice))
        found._check()
        return found

    def _check(self) -> None:
        """Answer the training means, or zeros; raises BrokenVersion when that is no answer."""
        about, width = f"{self.model} version {self.version}", self.engine.width
        if width not in (None, len(self.inputs)):
            raise BrokenVersion(
                f"{about} takes {width} inputs, and its manifest has {len(self.inputs)}."
            )
        usual = np.zeros(len(self.inputs), np.float32) if self.mean is None else self.mean
        for count in (2, 1):  # one row last, as most will ask
            columns = self.engine.predict(np.tile(usual, (count, 1)))
            for name, column in zip(self.outputs, columns, strict=True):
                if column.shape != (count,) or column.dtype != np.float32:
                    found = f"{column.dtype} {list(column.shape)}"
                    raise BrokenVersion(
                        f"{about} answers {name} as {found}, expected float32 [{count}]."
                    )
                if self.mean is not None and not np.isfinite(column).all():
                    raise BrokenVersion(
                        f"{about} answers its own training mean with no finite number."
                    )

    def for_label(self, label: str) -> "Loaded":
        """The same version, told apart as what `label` answers with its share."""
        return Loaded(self.manifest, self.engine, label)


class Share(NamedTuple):
    """The percent of the requests that a label takes, and what answers them."""

    percent: float
    source: Loaded


@dataclass(frozen=True)
class Model:
    """What is served of one model, and why a version is not.

    `unloading` holds what is served no more: an engine leaves it by itself when the last
    request that computes with it has ended.
    """

    labels: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, Share] = field(default_factory=dict)
    loaded: Mapping[int, Loaded] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)
    loading: frozenset[int] = frozenset()
    unloading: Mapping[int, Engine] = field(default_factory=WeakValueDictionary)

    @cached_property
    def usual(self) -> Loaded | None:
        """What answers whoever names neither version nor label, where no share is drawn."""
        return None if self.shares else self.loaded.get(self.labels.get(STABLE, 0))

    def versions(self) -> dict[int, VersionStatus]:
        """The status of every version that is here, comes, goes or failed, oldest first."""
        found = dict.fromkeys(self.unloading, VersionStatus(State.UNLOADING))
        found |= {
            version: VersionStatus(State.FAILED, why) for version, why in self.failures.items()
        }
        found |= dict.fromkeys(self.loading, VersionStatus(State.LOADING))
        for version in self.loaded:
            found[version] = VersionStatus(State.LOADED, self.failures.get(version, ""))
        return dict(sorted(found.items()))

    def draw(self, key: str) -> Loaded | None:
        """The version whose share `key` falls into; None for the rest, which is `stable`'s.

        The shares lie one after another on 0 to 100, so more percent keep the keys they had.
        """
        point = _point(key) if key else random.random() * 100  # noqa: S311  a lot, no secret
        for percent, source in self.shares.values():
            point -= percent
            if point < 0:
                return source
        return None


Models = Mapping[str, Model]


def _point(key: str) -> float:
    """From 0 to below 100, the same in every process: Python's own hash() differs in each."""
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest) * 100 / 2**48
