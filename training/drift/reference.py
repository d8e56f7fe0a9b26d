"""What a version was trained on: the rows in its folder, and what it answers to them."""

import csv
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from models.manifest import ROWS, TWIN, Manifest
from models.registry import Registry
from training.drift.log import Floats
from training.tables import DataError


@dataclass(frozen=True)
class Reference:
    """`rows` float64 [m, k] in the order of the manifest's inputs, `answers` to them [m]."""

    manifest: Manifest
    rows: Floats
    answers: Floats


def read(registry: Registry, model: str, version: int) -> Reference:
    """Raises RegistryError for a version that is not there or is broken, DataError without rows.

    A version may have been made elsewhere: its rows may be anything.
    """
    manifest = registry.manifest(model, version)
    for name in (ROWS, TWIN):
        if name not in manifest.files:
            raise DataError(
                f"{model} version {version} has no {name}, so that there is nothing to compare "
                "with; versions that 'python -m training' publishes have one."
            )
    inputs = manifest.input_names
    try:
        lines = list(csv.DictReader(registry.read(manifest, ROWS).decode().splitlines()))
        rows = np.array([[float(line[name]) for name in inputs] for line in lines])
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(
            f"{ROWS} of {model} version {version} is no table of {', '.join(inputs)}."
        ) from error
    if not lines or not np.isfinite(rows).all():
        raise DataError(f"{ROWS} of {model} version {version} has no rows of finite numbers.")
    if not manifest.seen:
        raise DataError(f"{model} version {version} does not say what training saw of its inputs.")
    answers = _answers(registry.read(manifest, TWIN), rows, manifest.output.name)
    return Reference(manifest, rows, answers)


def _answers(twin: bytes, rows: Floats, output: str) -> Floats:
    """What the twin predicts, [n] for [n, k]."""
    runner = Interpreter(model_content=twin, num_threads=1).get_signature_runner("features")
    return np.asarray(runner(features=rows.astype(np.float32))[output], np.float64)
