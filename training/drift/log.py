"""The prediction log, as the service writes it (docs/drift.md): what was asked of one version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.manifest import Manifest
from training.tables import DataError

Floats = NDArray[np.float64]
NAME = re.compile(r"(?P<model>[a-z][a-z0-9_-]*)-(?P<version>[0-9]+)-[0-9]{6}-[0-9a-f]{8}\.parquet")


@dataclass(frozen=True)
class Asked:
    """Rows float64 [n, k] in the order of `inputs`, and what was answered, float64 [n]."""

    model: str
    version: int
    inputs: tuple[str, ...]
    rows: Floats
    answers: Floats


def find(folder: Path, model: str, version: int | None = None) -> tuple[int, Sequence[Path]]:
    """The files of a version, or of the newest one that the log has; raises DataError for none."""
    files = _files(folder, model)
    if not files:
        raise DataError(
            f"{folder} holds no predictions of {model}: start the service with "
            f"PREDICTION_LOG={folder}, or name another model with --model."
        )
    version = version or max(files)
    if version not in files:
        known = ", ".join(map(str, sorted(files)))
        raise DataError(
            f"{folder} holds no predictions of {model} version {version}; only {known}."
        )
    return version, files[version]


def read(files: Sequence[Path], manifest: Manifest) -> Asked:
    """What was asked of a version, from its files; raises DataError when one cannot be read.

    Of the newest file's inputs alone: the version's number may have been another's before.
    """
    output = manifest.output.name
    tables = [_table(path, output) for path in files]
    inputs = _inputs(tables[-1])
    alike = [table for table in tables if _inputs(table) == inputs]
    rows = np.concatenate([_rows(table, inputs) for table in alike])
    answers = np.concatenate([table[output].to_numpy() for table in alike])
    return Asked(manifest.model, manifest.version, inputs, rows, answers.astype(np.float64))


def _files(folder: Path, model: str) -> dict[int, list[Path]]:
    """The files of a model by version. Their names say which they are of."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("*/*.parquet")):
        named = NAME.fullmatch(path.name)
        if named and named["model"] == model:
            found.setdefault(int(named["version"]), []).append(path)
    return found


def _table(path: Path, output: str) -> Any:
    import pyarrow as pa  # noqa: PLC0415  as in training/tables.py
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.read_table(path, columns=["inputs", output], partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _inputs(table: Any) -> tuple[str, ...]:
    return tuple(field.name for field in table.schema.field("inputs").type)


def _rows(table: Any, inputs: Sequence[str]) -> Floats:
    cells = table["inputs"].combine_chunks()
    return np.array([cells.field(name).to_numpy() for name in inputs], np.float64).T
