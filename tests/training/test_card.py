"""What a table's columns are: by its card, by options, or by what they hold."""

from pathlib import Path

import numpy as np
import pytest

from models.manifest import Input, Words
from training.card import Changes, shipped
from training.columns import named
from training.dataset import Dataset, load
from training.tables import DataError

CARD = """
source = "Sales of the city, 2024"
year = 2024

[target]
name = "price"
column = "Price (USD)"
unit = "kUSD"

[inputs.area]
column = "Living area (m2)"
unit = "m²"
description = "Of all rooms that are heated."
accept = [0, 2000]
example = 80
words.zh = { name = "面积", unit = "平方米" }

[inputs.floor]
"""
HEADER = "row,Living area (m2),floor,Price (USD),street,sold,lift,empty,same"
ROWS = [
    f"{i},{40 + 7 * i % 90},{i % 5 - 1},{i},Rue {i},2024-01-1{i % 9},{('true', 'false')[i % 2]},,1"
    for i in range(1, 31)
]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    (tmp_path / "houses.csv").write_text("\n".join([HEADER, *ROWS]))
    return tmp_path / "houses.csv"


@pytest.fixture
def with_card(houses: Path) -> Path:
    houses.with_suffix(".toml").write_text(CARD)
    return houses


def test_a_card_says_what_every_column_is(with_card: Path) -> None:
    data = load(str(with_card))
    area = Input(
        name="area",
        unit="m²",
        description="Of all rooms that are heated.",
        accept=(0, 2000),
        words={"zh": Words(name="面积", unit="平方米")},
    )
    assert data.columns == (area, Input(name="floor"))
    assert (data.output.name, data.output.unit) == ("price", "kUSD")
    assert (data.source, data.origin, data.year) == ("houses.csv", "Sales of the city, 2024", 2024)
    assert data.example == {"area": 80, "floor": 1}
    assert data.rows[:, 1].min() == -1


def test_the_card_itself_may_be_given(with_card: Path) -> None:
    card = with_card.with_suffix(".toml")
    np.testing.assert_array_equal(load(str(card)).rows, load(str(with_card)).rows)
    moved = card.with_name("other.toml")
    moved.write_text('file = "houses.csv"\n' + CARD)
    np.testing.assert_array_equal(load(str(moved)).rows, load(str(with_card)).rows)
    card.rename(card.with_name("lonely.toml"))
    with pytest.raises(DataError, match="does not say which file it describes: add file = "):
        load(str(card.with_name("lonely.toml")))


def test_options_say_the_same_as_a_card(houses: Path) -> None:
    changes = Changes(
        target="Price (USD)",
        unit="kUSD",
        inputs=("area", "floor"),
        columns={"area": "Living area (m2)"},
        accept={"area": (0, 2000)},
    )
    data = load(str(houses), changes=changes)
    assert [(each.name, each.accept) for each in data.columns] == [
        ("area", (0, 2000)),
        ("floor", None),
    ]
    assert (data.output.name, data.output.unit) == ("Price_USD", "kUSD")


def test_an_option_goes_before_the_card(with_card: Path) -> None:
    changes = Changes(inputs=("floor",), unit="EUR", accept={"floor": (-9, 99)})
    data = load(str(with_card), changes=changes)
    assert data.columns == (Input(name="floor", accept=(-9, 99)),)
    assert data.output.unit == "EUR"
    assert load(str(with_card), changes=Changes(target="floor", inputs=("area",))).output.unit == ""


def test_without_a_card_every_column_of_numbers_is_taken_and_the_others_are_told(
    houses: Path,
) -> None:
    data = load(str(houses), changes=Changes(target="Price (USD)"))
    assert data.inputs == ("Living_area_m2", "floor", "lift")
    assert sorted(data.notes) == [
        "Living_area_m2 is the column 'Living area (m2)'",
        "not an input: 'empty' holds nothing",
        "not an input: 'row' numbers the rows",
        "not an input: 'same' is the same in every row",
        "not an input: 'sold' holds dates",
        "not an input: 'street' holds text",
    ]
    assert set(data.rows[:, 2]) == {0, 1}


def test_names_are_plain_and_different() -> None:
    headers = ["a", "Area (m2)", "Area [m2]", "2nd", "面积", "lower", "x" * 99, "class"]
    assert named(headers) == [
        "a",
        "Area_m2",
        "Area_m2_2",
        "x2nd",
        "column_5",
        "lower_2",
        "x" * 55,
        "class",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (Changes(), "which column is to be predicted? Name it with --target COLUMN; it has: row,"),
        (Changes(target="cost"), "has no column 'cost'; it has: row, Living area"),
        (Changes(target="floor", inputs=("depth",)), "has no column 'depth'"),
        (Changes(target="floor", inputs=("floor",)), "is to be predicted, and cannot be an input"),
        (Changes(target="floor", inputs=("street",)), "row 1, column 'street': expected a finite"),
        (Changes(target="street"), "row 1, column 'street': expected a finite"),
        (Changes(target="floor", accept={"attic": (0, 1)}), "--accept attic: it is no input"),
        (Changes(target="floor", inputs=("empty",), missing="mean"), "'empty' has no number"),
        (Changes(target="empty"), "has 0 complete rows"),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(
    houses: Path, changes: Changes, sentence: str
) -> None:
    with pytest.raises(DataError) as refused:
        load(str(houses), changes=changes)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ("target = ", "houses.toml is no card in TOML"),
        ("\udcff", "houses.toml is no card in TOML"),
        ("[targets]", "houses.toml: targets: Extra inputs are not permitted"),
        ('target = "price"', "houses.toml: target: "),
        ("year = 2024-01-01", "houses.toml: year: "),
        ("[inputs.area]\naccept = [1, 0]", "inputs.area.accept: expected the lower bound first"),
        ("[inputs.area]\naccept = [0, inf]", "inputs.area.accept.1: "),
        ("[inputs.area]\naccept = [0]", "inputs.area.accept"),
        ("[inputs.'the area']", "inputs.the area.[key]: "),
        ("[inputs.lower]", "inputs.lower: an answer has that name already"),
        ("[target]\nname='base'", "target.name: an answer has the name base already"),
        ("[inputs.a]\n[target]\nname='a'", "target.name: an answer has the name a already"),
        ("missing = 'median'", "missing: Input should be 'drop' or 'mean'"),
    ],
)
def test_a_wrong_card_is_one_sentence_with_the_place(
    houses: Path, card: str, sentence: str
) -> None:
    houses.with_suffix(".toml").write_text(card, errors="surrogateescape")
    with pytest.raises(DataError) as refused:
        load(str(houses), changes=Changes(target="floor"))
    assert sentence in str(refused.value)


@pytest.mark.parametrize("inputs", [1, 13, 60, 256, 257])
def test_from_1_to_256_inputs_are_taken(tmp_path: Path, inputs: int) -> None:
    cells = np.random.default_rng(0).normal(size=(25, inputs + 1))
    path = tmp_path / "wide.csv"
    header = ",".join(f"x{i}" for i in range(inputs + 1))
    np.savetxt(path, cells, delimiter=",", header=header, comments="")
    changes = Changes(target=f"x{inputs}")
    if inputs > 256:
        with pytest.raises(DataError, match=f"expected from 1 to 256 inputs, found {inputs}"):
            load(str(path), changes=changes)
    else:
        assert load(str(path), changes=changes).rows.shape == (25, inputs)


def test_tables_that_ship_have_a_card_with_units_and_words(cereals: Dataset) -> None:
    assert [*shipped()] == ["cereals", "usda", "usda-100g"]
    for each in (*cereals.columns, cereals.output):
        assert each.unit
        assert each.words["zh"].unit
    assert {each.accept for each in cereals.columns} == {(0, 1000)}
