"""Files of rows, and a run of the job on the models that ship."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.registry import Registry
from service.batch import __main__ as batch

INPUTS = ("sugar", "fiber", "protein")
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Score in tmp_path: the exit code, and all that was said."""

    def run(command: str, *, registry: Path = shipped.root) -> tuple[int, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(tmp_path)
            code = batch.main([*command.split(), "--registry", str(registry)])
        return code, "".join(capsys.readouterr())

    return run


def grams(rows: int) -> dict[str, Any]:
    """Rows of 0 to 1000 g, of which every third is of no more than 5 g, and so in range."""
    made = np.random.default_rng(rows).uniform(0, 1000, (len(INPUTS), rows)).astype(np.float32)
    made[:, ::3] /= 200
    return dict(zip(INPUTS, made, strict=True))


def write(path: Path, columns: dict[str, Any], group: int | None = None) -> Path:
    """A Parquet or CSV file of these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".csv":
        pq.write_table(pa.table(columns), path, row_group_size=group)
        return path
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path
