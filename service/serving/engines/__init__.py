"""Engines: one loaded version each, float32 rows in, float32 columns out."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from models.manifest import TWIN, Manifest
from models.registry import BrokenVersion, Registry

Rows = NDArray[np.float32]  # [n, k], in the order of the manifest's inputs
Columns = tuple[NDArray[np.float32], ...]  # [n] each, as Manifest.output_names has them
Choice = Literal["auto", "litert", "saved_model"]


class Engine(Protocol):
    """A loaded version. Safe to call from many threads at once."""

    name: str
    width: int | None  # inputs of a row, if the model says how many

    def predict(self, rows: Rows) -> Columns:
        """Answer float32 [n, k] rows with the manifest's outputs, float32 [n] each."""


def width_of(shape: Sequence[int | None]) -> int | None:
    """The columns of a tensor [n] or [n, k], where its shape says how many."""
    if len(shape) == 1:
        return 1
    k = shape[1] if len(shape) == 2 else None
    return int(k) if k and k > 0 else None


def _no_twin(manifest: Manifest) -> str:
    """Why the version has no twin; empty when it has one."""
    if TWIN in manifest.files:
        return ""
    why = manifest.signature.no_twin if manifest.signature else ""
    return f"it has no {TWIN}. {why}".strip()


def load(registry: Registry, manifest: Manifest, choice: Choice) -> Engine:
    """Load a version with the chosen engine.

    `auto` takes the twin where the version has one, else TensorFlow where that is
    installed. Raises BrokenVersion when neither can be had, or a file is not as published.
    """
    if choice == "saved_model" or (choice == "auto" and TWIN not in manifest.files):
        if find_spec("tensorflow") is None:
            raise BrokenVersion(
                f"{manifest.model} version {manifest.version} needs TensorFlow, which is not "
                f"installed: {_no_twin(manifest) or 'ENGINE=saved_model was set.'}"
            )
        from service.serving.engines.saved_model import SavedModel  # noqa: PLC0415  3 s and 500 MB

        return SavedModel(registry, manifest)
    if TWIN not in manifest.files:
        raise BrokenVersion(
            f"{manifest.model} version {manifest.version} cannot be served by LiteRT: "
            f"{_no_twin(manifest)} Set ENGINE=saved_model, or publish it again."
        )
    from service.serving.engines.litert import LiteRT  # noqa: PLC0415  not needed beside TensorFlow

    return LiteRT(registry.read(manifest, TWIN), manifest.output_names)
