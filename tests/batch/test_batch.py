"""python -m service.batch: the same answers as POST /predict, for files of any size."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from werkzeug.test import Client

from models.publish import import_version
from models.registry import Registry
from service.app import create_host
from service.batch import __main__ as batch
from service.batch.csv_file import ROWS as CSV_ROWS
from service.batch.parquet_file import ROWS as PARQUET_ROWS
from service.codecs.formats import ARROW
from service.settings import Settings
from tests.both_ways import both_ways
from tests.servers import ROOT

INPUTS = ("sugar", "fiber", "protein")
ANSWERS = ["calories", "lower", "upper", "in_range"]
GRAM = "a number from 0 to 1000 (grams a serving)"


@pytest.fixture(scope="module")
def client(shipped: Registry) -> Iterator[Client]:
    settings = Settings(registry=shipped.root)
    host = create_host(settings)
    yield both_ways(settings, host)
    host.close()


def run(shipped: Registry, *arguments: object) -> int:
    return batch.main([*map(str, arguments), "--registry", str(shipped.root)])


def grams(rows: int) -> dict[str, Any]:
    """Rows of 0 to 1000 g, of which every third is of no more than 5 g, and so in range."""
    made = np.random.default_rng(rows).uniform(0, 1000, (len(INPUTS), rows)).astype(np.float32)
    made[:, ::3] /= 200
    return dict(zip(INPUTS, made, strict=True))


def write(path: Path, columns: dict[str, Any]) -> Path:
    """A Parquet or CSV file of these columns."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def read(path: Path) -> dict[str, list[Any]]:
    """A file's columns; the numbers and truth values of CSV as JSON reads them."""
    if path.suffix == ".parquet":
        table: dict[str, list[Any]] = pq.read_table(path).to_pydict()
        return table
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    columns = zip(*rows, strict=True) if rows else [() for _ in header]
    return {
        name: [json.loads(cell) if name in ANSWERS else cell for cell in cells]
        for name, cells in zip(header, columns, strict=True)
    }


@pytest.mark.parametrize("model", ["calories", "deep"])
@pytest.mark.parametrize("target", ["out.csv", "out.parquet"])
@pytest.mark.parametrize("origin", ["in.csv", "in.parquet"])
def test_answers_are_those_of_post_predict_to_the_last_bit(
    *, shipped: Registry, client: Client, tmp_path: Path, model: str, origin: str, target: str
) -> None:
    columns = grams(1000)
    source = write(tmp_path / origin, columns)
    assert run(shipped, source, tmp_path / target, "--model", model) == 0
    posted = client.post(
        f"/predict?model={model}",
        data=json.dumps({name: column.tolist() for name, column in columns.items()}),
        headers={"Content-Type": "application/json", "Accept": ARROW},
    )
    expected = pa.ipc.open_stream(posted.data).read_all()
    assert set(expected["in_range"].to_pylist()) == {True, False}
    found = read(tmp_path / target)
    for name in ANSWERS:
        np.testing.assert_array_equal(
            np.array(found[name], expected[name].to_numpy().dtype), expected[name].to_numpy()
        )


@pytest.mark.parametrize(
    ("kind", "rows"), [("csv", 2 * CSV_ROWS + 1), ("parquet", 2 * PARQUET_ROWS + 1)]
)
def test_a_file_of_several_chunks_keeps_its_rows_in_order(
    shipped: Registry, tmp_path: Path, kind: str, rows: int
) -> None:
    columns: dict[str, Any] = {"id": np.arange(rows), **grams(rows)}
    source = write(tmp_path / f"in.{kind}", columns)
    assert run(shipped, source, tmp_path / "out.parquet") == 0
    found = read(tmp_path / "out.parquet")
    assert [int(each) for each in found["id"]] == list(range(rows))
    assert len(found["calories"]) == rows


def test_other_columns_are_carried_through_unchanged(shipped: Registry, tmp_path: Path) -> None:
    columns = {"code": ["007", 'a "b", c'], **{name: ["1.50", " 2"] for name in INPUTS}}
    assert run(shipped, write(tmp_path / "in.csv", columns), tmp_path / "out.csv") == 0
    found = read(tmp_path / "out.csv")
    assert {name: found[name] for name in columns} == columns
    assert list(found) == [*columns, *ANSWERS]


def test_keep_names_the_columns_that_are_carried_through(shipped: Registry, tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", {"id": [1], "x": [[1, 2]], **grams(1)})
    assert run(shipped, source, tmp_path / "out.csv", "--keep", "id") == 0
    assert list(read(tmp_path / "out.csv")) == ["id", *ANSWERS]


def test_an_input_may_be_called_otherwise(shipped: Registry, tmp_path: Path) -> None:
    source = write(tmp_path / "in.csv", {"sugars": [5]})
    arguments = ["--model", "linear-unit", "--column", "sugar=sugars"]
    assert run(shipped, source, tmp_path / "out.csv", *arguments) == 0
    assert read(tmp_path / "out.csv")["calories"] == [pytest.approx(102, abs=0.5)]


@pytest.mark.parametrize(("arguments", "version"), [([], 1), (["--label", "canary"], 2)])
def test_stable_scores_unless_another_label_is_named(
    registry: Registry,
    shipped: Registry,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    version: int,
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1), promote=False)
    registry.set_label("calories", "canary", 2)
    assert (
        run(registry, write(tmp_path / "in.csv", grams(1)), tmp_path / "out.csv", *arguments) == 0
    )
    assert f"scored by calories version {version}:" in capsys.readouterr().out


def test_bad_rows_go_to_a_side_file_with_their_numbers_and_reasons(
    shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.csv").write_text(
        "sugar,fiber,protein\n1,1,1\n1,-1,x\n\n1,1\n1,1,1,1\n2,2,2\n,1,1\n"
    )
    assert run(shipped, tmp_path / "in.csv", tmp_path / "out.csv") == 3
    assert read(tmp_path / "out.csv")["sugar"] == ["1", "2"]
    assert read(tmp_path / "out.csv.rejected.csv") == {
        "row": ["2", "3", "4", "6"],
        "reason": [
            f"fiber: expected {GRAM}, received -1; protein: expected {GRAM}, received x",
            "expected 3 cells, as the header has, received 2",
            "expected 3 cells, as the header has, received 4",
            f"sugar: expected {GRAM}, received nothing",
        ],
        "sugar": ["1", "1", "1", ""],
        "fiber": ["-1", "1", "1", "1"],
        "protein": ["x", "", "1", "1"],
    }
    assert "4 rows rejected" in capsys.readouterr().out


def test_bad_rows_of_parquet_are_rejected_alike(shipped: Registry, tmp_path: Path) -> None:
    columns: dict[str, list[float | None]] = {name: [1.0] * 5 for name in INPUTS}
    columns["sugar"] = [1.0, None, float("nan"), 1e9, 2.0]
    source = write(tmp_path / "in.parquet", {**columns, "name": list("abcde")})
    side = tmp_path / "bad.csv"
    assert run(shipped, source, tmp_path / "out.parquet", "--rejected", side) == 3
    assert read(tmp_path / "out.parquet")["name"] == ["a", "e"]
    found = read(side)
    assert (found["row"], found["name"]) == (["2", "3", "4"], ["b", "c", "d"])
    assert [reason.rpartition(" ")[2] for reason in found["reason"]] == [
        "null",
        "nan",
        "1000000000",
    ]


@pytest.mark.parametrize(("kind", "chunk"), [("csv", CSV_ROWS), ("parquet", PARQUET_ROWS)])
def test_a_bad_row_of_a_later_chunk_is_told_by_its_number_in_the_file(
    shipped: Registry, tmp_path: Path, kind: str, chunk: int
) -> None:
    columns = grams(chunk + 2)
    columns["fiber"][-1] = -1
    source = write(tmp_path / f"in.{kind}", columns)
    assert run(shipped, source, tmp_path / "out.parquet") == 3
    assert read(tmp_path / "out.parquet.rejected.csv")["row"] == [str(chunk + 2)]


def test_no_side_file_is_left_when_no_row_is_bad(shipped: Registry, tmp_path: Path) -> None:
    side = tmp_path / "out.csv.rejected.csv"
    side.write_text("of an earlier run")
    assert run(shipped, write(tmp_path / "in.csv", grams(1)), tmp_path / "out.csv") == 0
    assert not side.exists()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_without_rows_gives_one_without_rows(
    shipped: Registry, tmp_path: Path, kind: str
) -> None:
    source = write(tmp_path / f"in.{kind}", grams(0))
    assert run(shipped, source, tmp_path / f"out.{kind}") == 0
    assert read(tmp_path / f"out.{kind}") == {name: [] for name in (*INPUTS, *ANSWERS)}


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        ("", [], "is empty: expected a header line"),
        ("sugar,fiber\n1,1\n", [], "has no column 'protein' for protein; it has: sugar, fiber"),
        ("a,a\n1,1\n", [], "names a column twice"),
        ("sugar,calories\n1,1\n", ["--model", "linear-unit"], "--prefix predicted_"),
        ("sugar\n1\n", ["--model", "linear-unit", "--keep", "id"], "no column 'id' to keep"),
        ("sugar\n1\n", ["--model", "bread"], "no model 'bread'"),
        ("sugar\n1\n", ["--model", "deep", "--version", "7"], "no version 7"),
        ('sugar\n1\n"2\n', ["--model", "linear-unit"], "is no CSV file in UTF-8 after line"),
    ],
)
def test_what_cannot_be_scored_is_refused_and_leaves_no_file(
    *,
    shipped: Registry,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    arguments: list[str],
    sentence: str,
) -> None:
    (tmp_path / "in.csv").write_text(content)
    assert run(shipped, tmp_path / "in.csv", tmp_path / "out.csv", *arguments) == 1
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (["1"], "column 'sugar': expected a column of floats or integers, received string"),
        ([True], "received bool"),
    ],
)
def test_a_parquet_column_of_another_type_is_refused(
    shipped: Registry,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    column: list[Any],
    sentence: str,
) -> None:
    source = write(tmp_path / "in.parquet", {**grams(1), "sugar": column})
    assert run(shipped, source, tmp_path / "out.csv") == 1
    assert sentence in capsys.readouterr().err


def test_a_truncated_parquet_file_is_refused(
    shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.parquet", grams(1000))
    source.write_bytes(source.read_bytes()[:500])
    assert run(shipped, source, tmp_path / "out.csv") == 1
    assert "cannot be read as Parquet" in capsys.readouterr().err


def test_a_nested_column_cannot_become_csv(
    shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "in.parquet", {"x": [[1, 2]], **grams(1)})
    assert run(shipped, source, tmp_path / "out.csv") == 1
    assert "cannot be written as CSV" in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_without_pyarrow_parquet_is_refused_with_what_to_install(
    shipped: Registry,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch, "find_spec", lambda _: None)
    source = write(tmp_path / "in.csv", grams(1))
    assert run(shipped, source, tmp_path / "out.parquet") == 1
    assert "requirements/bulk.txt" in capsys.readouterr().err
    assert run(shipped, source, tmp_path / "out.csv") == 0


@pytest.mark.parametrize(
    ("output", "side"), [("in.csv", "bad"), ("out.csv", "in.csv"), ("out.csv", "out.csv")]
)
def test_in_and_out_must_differ(
    shipped: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, side: str
) -> None:
    source = write(tmp_path / "in.csv", grams(1))
    (tmp_path / "link").symlink_to(tmp_path)
    arguments = [tmp_path / "link" / output, "--rejected", tmp_path / side]
    assert run(shipped, source, *arguments) == 1
    assert "must be three files" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_file(shipped: Registry, tmp_path: Path, kind: str) -> None:
    rows = {"csv": 40_000, "parquet": 400_000}[kind]
    small, large = (
        peak(shipped, write(tmp_path / f"{n}.{kind}", grams(n * rows)), tmp_path / f"out.{kind}")
        for n in (1, 10)
    )
    assert large - small < 20 * 1024 * 1024


def peak(shipped: Registry, source: Path, output: Path) -> int:
    """The most memory, in bytes, that scoring a file took."""
    program = (
        "import re, sys; from pathlib import Path; from service.batch.__main__ import main; "
        "main(); print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    arguments: list[str | Path] = [source, output, "--registry", shipped.root]
    command: list[str | Path] = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return 1024 * int(done.stdout.split()[-1])
