"""The dataset: what is read, what is left out, and what is refused with its place."""

import csv
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.manifest import ROWS as SHOWN
from models.manifest import sha256
from tests.training.conftest import INPUTS
from training import sample
from training.card import SHIPPED, Changes
from training.dataset import Dataset, LeftOut, load
from training.tables import DataError

CEREALS = SHIPPED / "cereals.csv"
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
    assert len(cereals) == len(cereals.names) == len(cereals.target) == 76
    assert [*map(str, cereals.left_out)] == ["left out: 1 row without sugars: Quaker_Oatmeal"]


def test_many_rows_are_counted_and_three_named() -> None:
    rows = LeftOut("without fat", tuple(f"row {i}" for i in range(1, 1501)))
    assert str(rows) == "left out: 1,500 rows without fat: row 1; row 2; row 3; …"


CALORIES = Changes(target="calories")


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "data.parquet")
    from_csv = load(write(tmp_path / "data.csv", ROWS), changes=CALORIES)
    from_parquet = load(str(tmp_path / "data.parquet"), changes=CALORIES)
    assert from_csv.inputs == from_parquet.inputs == INPUTS
    np.testing.assert_array_equal(from_csv.rows, from_parquet.rows)
    np.testing.assert_array_equal(from_csv.target, from_parquet.target)


HEADER, *LINES = ["a,b,y", *(f"{i / 2},{-i * i},{80 + i}" for i in range(24))]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join([HEADER, *LINES]).encode("utf-8-sig"),
        "\r\n".join([HEADER, *LINES]).encode(),
        "\r".join([HEADER, *LINES]).encode(),
        "\n\n".join([HEADER, *LINES]).encode(),
        "\n".join([HEADER, *LINES]).replace(",", "\t").encode(),
        "\n".join([HEADER, *LINES]).replace(",", "|").encode(),
        "\n".join([HEADER, *LINES]).replace(",", " , ").encode(),
        "\n".join([HEADER, *LINES]).replace(",", ";").encode(),
        "\n".join([HEADER, *LINES]).replace(",", ";").replace(".", ",").encode(),
        "\n".join(["a,b,y,note", *(f'{line},"one, two\nthree"' for line in LINES)]).encode(),
        "\n".join([",a,b,y", *(f"{i},{line}" for i, line in enumerate(LINES))]).encode(),
    ],
    ids=[
        "bom",
        "crlf",
        "cr",
        "blank",
        "tab",
        "bar",
        "spaces",
        "semicolon",
        "comma",
        "text",
        "index",
    ],
)
def test_a_csv_file_is_read_as_any_program_writes_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    data = load(str(tmp_path / "data.csv"), changes=Changes(target="y"))
    assert data.inputs == ("a", "b")
    np.testing.assert_array_equal(data.rows[:, 0], np.arange(24) / 2)
    np.testing.assert_array_equal(data.rows[:, 1], -(np.arange(24.0) ** 2))


def test_columns_may_be_called_otherwise(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"kcal": row["calories"], "sugars_g": row["sugar"]} for row in ROWS
    ]
    source = write(tmp_path / "data.csv", rows)
    data = load(source, changes=Changes(target="kcal", columns={"sugar": "sugars_g"}))
    assert (data.inputs, data.output.name, data.target[0]) == (("sugar",), "kcal", 80)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        *(({"fiber": cell}, "without fiber") for cell in ("", "  ", "NA", "nan", "null")),
        ({"calories": ""}, "without calories"),
        ({"sugar": "", "fiber": ""}, "without sugar"),  # counted once
    ],
)
def test_a_row_with_an_empty_cell_is_left_out_and_told(
    tmp_path: Path, cells: dict[str, object], fault: str
) -> None:
    data = load(write(tmp_path / "data.csv", changed(3, **cells)), changes=CALORIES)
    assert len(data) == 23
    assert data.left_out == (LeftOut(fault, ("row 3",)),)


def test_a_missing_input_takes_the_mean_where_that_is_asked(tmp_path: Path) -> None:
    rows = [{**row} for row in changed(3, sugar="", fiber="")]
    rows[4]["calories"] = ""
    changes = Changes(target="calories", missing="mean")
    data = load(write(tmp_path / "data.csv", rows), changes=changes)
    others = [float(str(row["sugar"])) for row in rows if row["sugar"] != ""]
    assert data.rows[2, 0] == pytest.approx(np.mean(others))
    assert data.filled == 2
    assert data.left_out == (LeftOut("without calories", ("row 5",)),)


NO_NUMBER = "data.csv, row 5, column 'protein': expected a finite number of float32, found '"
NO_NUMBERS = ("two", "1e39", "inf", "-1e999", "1_0", "\u0663", "1 2", "true", "9" * 5000)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        *((changed(5, protein=cell), NO_NUMBER) for cell in NO_NUMBERS),
        ([{**row, "calories": 100} for row in ROWS], "has the same calories in every row"),
        ([{"sugar": 1, "calories": 2}], "no column 'fiber'; it has: sugar, calories. Name it"),
        ([{**row, "sugar": "sweet"} for row in ROWS], "data.csv, row 1, column 'sugar'"),
        ("", "data.csv is empty"),
        ("sugar,fiber,protein,calories\n", "has 0 complete rows"),
        ("sugar,fiber,protein,calories", "has 0 complete rows"),
        ("sugar,fiber,protein,calories\n1,2,3,4\n", "has 1 complete rows; at least 20"),
        ("sugar,fiber,protein,calories\n1,2,3,4\n5\n", "row 2: expected 4 cells as in the header"),
        ("sugar,sugar,calories\n1,2,3\n", "has more than one column 'sugar'"),
        ("1,2,3\n4,5,6\n", "expected the columns' names in the first line, found numbers"),
        ("sugar,\udcff\n", "data.csv is no CSV file in UTF-8"),
        ("\udcff\udcfes\0u\0", "data.csv is no CSV file in UTF-8"),
        ("\0\0\0", "data.csv is no CSV file"),
        ("\n\n", "data.csv is no CSV file: expected the columns' names"),
        ('sugar,fiber,protein,calories\n"1,2,3,4\n', "expected 4 cells as in the header, found 1"),
    ],
    ids=lambda it: it[:30] if isinstance(it, str) else "",
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
        load(str(path), changes=Changes(target="calories", inputs=INPUTS))
    assert sentence in str(refused.value)


@given(
    st.binary(max_size=200) | st.text("ay1.,;\t\n\r\"' -e\0\ufeff", max_size=200).map(str.encode)
)
@example(b"PAR1")
def test_no_bytes_whatsoever_are_more_than_a_sentence(content: bytes) -> None:
    with TemporaryDirectory() as folder:
        for name in ("data.csv", "data.parquet", "data.toml"):
            (Path(folder) / name).write_bytes(content)
            with pytest.raises(DataError):
                load(f"{folder}/{name}", changes=Changes(target="y"))
            (Path(folder) / name).unlink()


def test_a_parquet_file_that_cannot_be_trained_on_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    asked = Changes(target="calories", inputs=INPUTS)
    pq.write_table(pa.Table.from_pylist([{**row, "sugar": "sweet"} for row in ROWS]), path)
    with pytest.raises(DataError, match=r"data\.parquet, row 1, column 'sugar'"):
        load(str(path), changes=asked)
    pq.write_table(pa.Table.from_pylist([{**row, "sugar": [1, 2]} for row in ROWS]), path)
    with pytest.raises(DataError, match=r"data\.parquet, row 1, column 'sugar'"):
        load(str(path), changes=asked)
    path.write_text("not parquet")
    with pytest.raises(DataError, match="is no Parquet file"):
        load(str(path), changes=asked)


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
        target=cereals.target[places % 76],
    )
    _, *rows = written(many, tmp_path)
    shown = np.array([int(row[0]) for row in rows])
    assert (len(shown), shown[0], shown[-1]) == (500, 0, 1999)
    assert set(np.diff(shown)) == {4, 5}
