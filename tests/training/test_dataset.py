"""The dataset: what is read, what is left out, and what is refused with its place."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.manifest import ROWS as SHOWN
from models.manifest import sha256
from tests.training.conftest import INPUTS
from training import sample
from training.dataset import CEREALS, Dataset, LeftOut, load
from training.tables import DataError

ROWS: list[dict[str, object]] = [
    {"sugar": i % 7, "fiber": i / 4, "protein": 1 + i % 3, "calories": 80 + i} for i in range(24)
]


def write(path: Path, rows: list[dict[str, object]]) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def changed(row: int, **cells: object) -> list[dict[str, object]]:
    """ROWS with some cells of one row, counted from 1, replaced."""
    return [{**each, **cells} if i == row else each for i, each in enumerate(ROWS, 1)]


def test_the_cereals_are_the_table_of_its_readme_less_the_one_without_sugar(
    cereals: Dataset,
) -> None:
    readme = CEREALS.with_name("README.md").read_text()
    assert f"SHA-256: `{sha256(CEREALS.read_bytes())}`" in readme
    assert cereals.rows.shape == (76, 3)
    assert len(cereals) == len(cereals.names) == len(cereals.calories) == 76
    assert [*map(str, cereals.left_out)] == ["left out: 1 row without sugars: Quaker_Oatmeal"]


def test_many_rows_are_counted_and_three_named() -> None:
    rows = LeftOut("without fat", tuple(f"row {i}" for i in range(1, 1501)))
    assert str(rows) == "left out: 1,500 rows without fat: row 1; row 2; row 3; …"


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "data.parquet")
    from_csv = load(write(tmp_path / "data.csv", ROWS), INPUTS)
    from_parquet = load(str(tmp_path / "data.parquet"), INPUTS)
    np.testing.assert_array_equal(from_csv.rows, from_parquet.rows)
    np.testing.assert_array_equal(from_csv.calories, from_parquet.calories)


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    rows = [{"kcal": row["calories"], "sugars_g": row["sugar"]} for row in ROWS]
    source = write(tmp_path / "data.csv", rows)
    data = load(source, ["sugar"], target="kcal", columns={"sugar": "sugars_g"})
    assert data.calories[0] == 80
    assert data.inputs == ("sugar",)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "data.csv", ROWS))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(load(str(path), INPUTS)) == 24


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ({"fiber": ""}, "without fiber"),
        ({"fiber": "  "}, "without fiber"),
        ({"sugar": "", "fiber": ""}, "without sugar"),  # counted once
    ],
)
def test_a_row_with_an_empty_cell_is_left_out_and_told(
    tmp_path: Path, cells: dict[str, object], fault: str
) -> None:
    data = load(write(tmp_path / "data.csv", changed(3, **cells)), INPUTS)
    assert len(data) == 23
    assert data.left_out == (LeftOut(fault, ("row 3",)),)


NO_NUMBER = "data.csv, row 5, column 'protein': expected a number, found '{}'"


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        *((changed(5, protein=cell), NO_NUMBER.format(cell)) for cell in ("two", "nan", "1e39")),
        ([{**row, "calories": 100} for row in ROWS], "has the same calories in every row"),
        ([{"sugar": 1, "calories": 2}], "no column 'fiber'; it has: sugar, calories. Name it"),
        ([{**row, "sugar": "sweet"} for row in ROWS], "data.csv, row 1, column 'sugar'"),
        ("", "data.csv is empty"),
        ("sugar,fiber,protein,calories\n1,2,3,4\n", "has 1 complete rows; at least 20"),
        ("sugar,fiber,protein,calories\n1,2,3,4\n5\n", "row 2: expected 4 cells as in the header"),
        ("sugar,sugar,calories\n1,2,3\n", "has more than one column 'sugar'"),
        ("sugar,\udcff\n", "data.csv is no CSV file in UTF-8"),
        ("\n\n", "has no column 'sugar'"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_a_table_that_cannot_be_trained_on_is_one_sentence(
    tmp_path: Path, rows: str | list[dict[str, object]], sentence: str
) -> None:
    path = tmp_path / "data.csv"
    if isinstance(rows, str):
        path.write_text(rows, errors="surrogateescape")
    else:
        write(path, rows)
    with pytest.raises(DataError) as refused:
        load(str(path), INPUTS)
    assert sentence in str(refused.value)


def test_a_parquet_file_that_cannot_be_trained_on_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pq.write_table(pa.Table.from_pylist([{**row, "sugar": "sweet"} for row in ROWS]), path)
    with pytest.raises(DataError, match=r"data\.parquet, row 1, column 'sugar'"):
        load(str(path), INPUTS)
    path.write_text("not parquet")
    with pytest.raises(DataError, match="is no Parquet file"):
        load(str(path), INPUTS)


def written(data: Dataset, folder: Path) -> list[list[str]]:
    """The rows that a version shows."""
    sample.write(data, folder)
    with (folder / SHOWN).open(newline="") as file:
        return list(csv.reader(file))


def test_a_version_shows_every_row_with_its_name_and_inputs(
    cereals: Dataset, tmp_path: Path
) -> None:
    header, *rows = written(cereals.of(["sugar"]), tmp_path)
    assert header == ["name", "sugar", "calories"]
    assert len(rows) == 76
    assert rows[0] == ["100%_Bran", "6", "70"]


def test_of_a_large_table_500_rows_are_shown_spread_from_first_to_last(
    cereals: Dataset, tmp_path: Path
) -> None:
    places = np.arange(2000)
    many = replace(
        cereals,
        names=tuple(map(str, places)),
        rows=cereals.rows[places % 76],
        calories=cereals.calories[places % 76],
    )
    _, *rows = written(many, tmp_path)
    shown = np.array([int(row[0]) for row in rows])
    assert (len(shown), shown[0], shown[-1]) == (500, 0, 1999)
    assert set(np.diff(shown)) == {4, 5}
