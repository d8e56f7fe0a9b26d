"""The dataset: what is read, what is left out, and what is refused with its place."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.manifest import sha256
from training.dataset import CEREALS, LeftOut, load
from training.tables import DataError

INPUTS = ("sugar", "fiber", "protein")
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


def test_the_cereals_have_76_rows_of_three_inputs() -> None:
    data = load("cereals", INPUTS)
    assert data.rows.shape == (76, 3)
    assert len(data) == len(data.names) == len(data.calories) == 76


def test_the_cereal_without_sugar_is_left_out_and_told() -> None:
    [rows] = load("cereals", INPUTS).left_out
    assert str(rows) == "left out: 1 row without sugars: Quaker_Oatmeal"


def test_many_rows_are_counted_and_three_named() -> None:
    rows = LeftOut("without fat", tuple(f"row {i}" for i in range(1, 1501)))
    assert str(rows) == "left out: 1,500 rows without fat: row 1; row 2; row 3; …"


def test_a_row_that_lacks_two_figures_is_counted_once(tmp_path: Path) -> None:
    data = load(write(tmp_path / "data.csv", changed(3, sugar="", fiber="")), INPUTS)
    assert data.left_out == (LeftOut("without sugar", ("row 3",)),)


def test_the_table_is_the_one_that_its_readme_describes() -> None:
    readme = CEREALS.with_name("README.md").read_text()
    assert f"SHA-256: `{sha256(CEREALS.read_bytes())}`" in readme


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


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_a_row_with_an_empty_cell_is_left_out_and_told(tmp_path: Path, empty: str | None) -> None:
    data = load(write(tmp_path / "data.csv", changed(3, fiber=empty)), INPUTS)
    assert len(data) == 23
    assert data.left_out == (LeftOut("without fiber", ("row 3",)),)


@pytest.mark.parametrize("cell", ["two", "nan", "inf", "1e999", "1e39", "1,5"])
def test_a_cell_that_is_no_number_is_named_by_file_row_and_column(
    tmp_path: Path, cell: str
) -> None:
    source = write(tmp_path / "data.csv", changed(5, protein=cell))
    sentence = f"data.csv, row 5, column 'protein': expected a number, found '{cell}'"
    with pytest.raises(DataError, match=sentence):
        load(source, INPUTS)


def test_calories_that_are_all_the_same_are_nothing_to_learn_from(tmp_path: Path) -> None:
    source = write(tmp_path / "data.csv", [{**row, "calories": 100} for row in ROWS])
    with pytest.raises(DataError, match="has the same calories in every row"):
        load(source, INPUTS)


def test_text_in_a_parquet_column_is_named(tmp_path: Path) -> None:
    rows = [{**row, "sugar": "sweet"} for row in ROWS]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    with pytest.raises(DataError, match=r"data\.parquet, row 1, column 'sugar'"):
        load(str(tmp_path / "data.parquet"), INPUTS)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    source = write(tmp_path / "data.csv", [{"sugar": 1, "calories": 2}])
    with pytest.raises(DataError, match=r"no column 'fiber'; it has: sugar, calories\. Name it"):
        load(source, INPUTS)


def test_a_row_with_too_few_cells_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("sugar,calories\n1,2\n3\n")
    with pytest.raises(DataError, match="row 2: expected 2 cells as in the header, found 1"):
        load(str(path), ["sugar"])


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("sugar,sugar,calories\n1,2,3\n")
    with pytest.raises(DataError, match="has more than one column 'sugar'"):
        load(str(path), ["sugar"])


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("data.csv", b"", "is empty"),
        ("data.csv", b"sugar,fiber,protein,calories\n", "has 0 complete rows; at least 20"),
        ("data.csv", b"sugar,fiber,protein,calories\n1,2,3,4\n", "has 1 complete rows"),
        ("data.csv", b"sugar,\xff\xfe\n", "is no CSV file in UTF-8"),
        ("data.csv", b"\n\n", "has no column 'sugar'"),
        ("data.parquet", b"not parquet", "is no Parquet file"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} {sentence}"):
        load(str(tmp_path / name), INPUTS)


def test_a_file_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(
        DataError, match="does not exist: give 'cereals', 'usda' or a CSV or Parquet file"
    ):
        load("nowhere.csv", INPUTS)
