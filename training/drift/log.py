"""The prediction log, as the service writes it (docs/drift.md): what was asked of one version."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.tables import DataError

Floats = NDArray[np.float64]
NAME = re.compile(r"(?P<model>[a-z][a-z0-9_-]*)-(?P<version>[0-9]+)-[0-9]{6}-[0-9a-f]{8}\.parquet")


@dataclass(frozen=True)
class Asked:
    """Rows float64 [n, k] in g in the order of `inputs`, and predictions float64 [n] in kcal."""

    model: str
    version: int
    inputs: tuple[str, ...]
    rows: Floats
    calories: Floats


def read(folder: Path, model: str, version: int | None = None) -> Asked:
    """What was asked of a version, or of the newest one that the log has.

    Raises DataError when there is none, or a file cannot be read.
    """
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
    return _asked(model, version, [_table(path) for path in files[version]])


def _files(folder: Path, model: str) -> dict[int, list[Path]]:
    """The files of a model by version. Their names say which they are of."""
    found: dict[int, list[Path]] = {}
    for path in sorted(folder.glob("*/*.parquet")):
        named = NAME.fullmatch(path.name)
        if named and named["model"] == model:
            found.setdefault(int(named["version"]), []).append(path)
    return found


def _table(path: Path) -> Any:
    import pyarrow as pa  # noqa: PLC0415  as in training/tables.py
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        return pq.read_table(path, columns=["inputs", "calories"], partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _asked(model: str, version: int, tables: Sequence[Any]) -> Asked:
    """Of the newest table's inputs alone: the version's number may have been another's before."""
    inputs = _inputs(tables[-1])
    alike = [table for table in tables if _inputs(table) == inputs]
    rows = np.concatenate([_rows(table, inputs) for table in alike])
    calories = np.concatenate([table["calories"].to_numpy() for table in alike])
    return Asked(model, version, inputs, rows, calories.astype(np.float64))


def _inputs(table: Any) -> tuple[str, ...]:
    return tuple(field.name for field in table.schema.field("inputs").type)


def _rows(table: Any, inputs: Sequence[str]) -> Floats:
    cells = table["inputs"].combine_chunks()
    return np.array([cells.field(name).to_numpy() for name in inputs], np.float64).T
