"""The rows a version shows of what it was trained on: training.csv in its folder.

The first column is the row's name, the last the target.
"""

import csv
from pathlib import Path

import numpy as np

from models.manifest import ROWS
from training.dataset import Dataset

MOST = 500  # as many as a chart can show; a version stays small whatever it was trained on


def write(data: Dataset, version: Path) -> None:
    """Write all rows, or `MOST` of them spread evenly over the table, into a version's folder."""
    chosen = np.linspace(0, len(data) - 1, min(len(data), MOST)).round().astype(int)
    with (version / ROWS).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", *data.inputs, data.output.name])
        for i in chosen:
            figures = (*data.rows[i], data.target[i])
            writer.writerow([data.names[i], *(f"{figure:.9g}" for figure in figures)])
