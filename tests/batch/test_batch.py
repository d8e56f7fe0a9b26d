"""python -m service.batch on a file: the same answers as POST /predict, at any size."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.publish import import_version
from models.registry import Registry
from service.app import create_host
from service.batch import __main__ as batch
from service.batch.csv_file import ROWS as CSV_ROWS
from service.batch.parquet_file import ROWS as PARQUET_ROWS
from service.batch.progress import EVERY, WIDTH, Progress
from service.codecs.formats import ARROW
from service.settings import Settings
from tests.batch.conftest import INPUTS, Run, grams, write
from tests.both_ways import both_ways
from tests.servers import ROOT

ANSWERS = ["calories", "lower", "upper", "in_range"]
GRAM = "a number from 0 to 1000 (g a serving)"


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


def test_answers_are_those_of_post_predict_to_the_last_bit(
    shipped: Registry, run: Run, tmp_path: Path
) -> None:
    columns, settings = grams(1000), Settings(registry=shipped.root)
    host = create_host(settings)
    posted = both_ways(settings, host).post(
        "/predict",
        data=json.dumps({name: column.tolist() for name, column in columns.items()}),
        headers={"Content-Type": "application/json", "Accept": ARROW},
    )
    host.close()
    expected = pa.ipc.open_stream(posted.data).read_all()
    assert set(expected["in_range"].to_pylist()) == {True, False}
    for origin in ("csv", "parquet"):
        write(tmp_path / f"in.{origin}", columns)
        for target in ("csv", "parquet"):
            assert run(f"in.{origin} out.{target}")[0] == 0
            found = read(tmp_path / f"out.{target}")
            for name in ANSWERS:
                answer = expected[name].to_numpy()
                np.testing.assert_array_equal(np.array(found[name], answer.dtype), answer)


@pytest.mark.parametrize(("kind", "chunk"), [("csv", CSV_ROWS), ("parquet", PARQUET_ROWS)])
def test_a_file_of_several_chunks_keeps_its_rows_in_order_and_their_numbers(
    run: Run, tmp_path: Path, kind: str, chunk: int
) -> None:
    rows = 2 * chunk + 1
    columns: dict[str, Any] = {"id": np.arange(rows), **grams(rows)}
    columns["fiber"][chunk] = -1
    write(tmp_path / f"in.{kind}", columns)
    assert run(f"in.{kind} out.parquet")[0] == batch.SOME_REJECTED
    found = read(tmp_path / "out.parquet")
    assert [int(each) for each in found["id"]] == [each for each in range(rows) if each != chunk]
    assert len(found["calories"]) == rows - 1
    assert read(tmp_path / "out.parquet.rejected.csv")["row"] == [str(chunk + 1)]


def test_other_columns_are_carried_through_unchanged_or_only_those_to_keep(
    run: Run, tmp_path: Path
) -> None:
    columns = {"code": ["007", 'a "b", c'], **{name: ["1.50", " 2"] for name in INPUTS}}
    write(tmp_path / "in.csv", columns)
    assert run("in.csv out.csv")[0] == 0
    found = read(tmp_path / "out.csv")
    assert {name: found[name] for name in columns} == columns
    assert list(found) == [*columns, *ANSWERS]
    write(tmp_path / "in.parquet", {"id": [1], "x": [[1, 2]], **grams(1)})
    assert run("in.parquet out.csv --keep id")[0] == 0
    assert list(read(tmp_path / "out.csv")) == ["id", *ANSWERS]


def test_an_input_may_be_called_otherwise(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "in.csv", {"sugars": [5]})
    assert run("in.csv out.csv --model linear-unit --column sugar=sugars")[0] == 0
    assert read(tmp_path / "out.csv")["calories"] == [pytest.approx(102, abs=0.5)]


def test_stable_scores_unless_another_label_is_named(
    registry: Registry, shipped: Registry, run: Run, tmp_path: Path
) -> None:
    for _ in range(2):
        import_version(registry, shipped.folder("calories", 1), promote=False)
    registry.set_label("calories", "canary", 2)
    write(tmp_path / "in.csv", grams(1))
    for label, version in (("", 1), ("--label canary", 2)):
        _, said = run(f"in.csv out.csv {label}", registry=registry.root)
        assert f"scored by calories version {version}:" in said


def test_bad_rows_go_to_a_side_file_with_their_numbers_and_reasons(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text(
        "sugar,fiber,protein\n1,1,1\n1,-1,x\n\n1,1\n1,1,1,1\n2,2,2\n,1,1\n"
    )
    code, said = run("in.csv out.csv")
    assert code == batch.SOME_REJECTED
    assert "4 rows rejected" in said
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
    write(tmp_path / "in.csv", grams(1))  # and none is left when no row is bad
    assert run("in.csv out.csv")[0] == 0
    assert not (tmp_path / "out.csv.rejected.csv").exists()


def test_bad_rows_of_parquet_are_rejected_alike(run: Run, tmp_path: Path) -> None:
    columns: dict[str, list[float | None]] = {name: [1.0] * 5 for name in INPUTS}
    columns["sugar"] = [1.0, None, float("nan"), 1e9, 2.0]
    write(tmp_path / "in.parquet", {**columns, "name": list("abcde")})
    assert run("in.parquet out.parquet --rejected bad.csv")[0] == batch.SOME_REJECTED
    assert read(tmp_path / "out.parquet")["name"] == ["a", "e"]
    found = read(tmp_path / "bad.csv")
    assert (found["row"], found["name"]) == (["2", "3", "4"], ["b", "c", "d"])
    received = [reason.rpartition(" ")[2] for reason in found["reason"]]
    assert received == ["null", "nan", "1000000000"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_without_rows_gives_one_without_rows(run: Run, tmp_path: Path, kind: str) -> None:
    write(tmp_path / f"in.{kind}", grams(0))
    assert run(f"in.{kind} out.{kind}")[0] == 0
    assert read(tmp_path / f"out.{kind}") == {name: [] for name in (*INPUTS, *ANSWERS)}


UNIT = "--model linear-unit"
UNSCORED: dict[str, tuple[str | dict[str, Any], str, str]] = {
    "empty": ("", "", "is empty: expected a header line"),
    "column": ("sugar,fiber\n1,1\n", "", "has no column 'protein' for protein; it has: sugar"),
    "twice": ("a,a\n1,1\n", "", "names a column twice"),
    "answer": ("sugar,calories\n1,1\n", UNIT, "--prefix predicted_"),
    "kept": ("sugar\n1\n", f"{UNIT} --keep id", "no column 'id' to keep"),
    "model": ("sugar\n1\n", "--model bread", "no model 'bread'"),
    "version": ("sugar\n1\n", "--model deep --version 7", "no version 7"),
    "quotes": ('sugar\n1\n"2\n', UNIT, "is no CSV file in UTF-8 after line"),
    "text": ({"sugar": ["1"]}, UNIT, "expected a column of floats or integers, received string"),
    "truth": ({"sugar": [True]}, UNIT, "received bool"),
    "no Parquet": ("PAR1", UNIT, "cannot be read as Parquet"),
    "nested": ({"sugar": [1.0], "x": [[1, 2]]}, UNIT, "cannot be written as CSV"),
}


@pytest.mark.parametrize("case", UNSCORED)
def test_what_cannot_be_scored_is_refused_and_leaves_no_file(
    run: Run, tmp_path: Path, case: str
) -> None:
    content, options, sentence = UNSCORED[case]
    path = tmp_path / ("in.csv" if isinstance(content, str) and content != "PAR1" else "in.parquet")
    if isinstance(content, str):
        path.write_text(content)
    else:
        write(path, content)
    code, said = run(f"{path.name} out.csv {options}")
    assert code == 1
    assert sentence in said
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_without_pyarrow_parquet_is_refused_with_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "find_spec", lambda _: None)
    write(tmp_path / "in.csv", grams(1))
    code, said = run("in.csv out.parquet")
    assert code == 1
    assert "requirements/bulk.txt" in said
    assert run("in.csv out.csv")[0] == 0


@pytest.mark.parametrize(
    ("output", "side"), [("in.csv", "bad"), ("out.csv", "in.csv"), ("out.csv", "out.csv")]
)
def test_in_and_out_must_differ(run: Run, tmp_path: Path, output: str, side: str) -> None:
    write(tmp_path / "in.csv", grams(1))
    (tmp_path / "link").symlink_to(tmp_path)
    code, said = run(f"in.csv link/{output} --rejected {side}")
    assert code == 1
    assert "must be three files" in said


PEAK = """
import re
from pathlib import Path
from service.batch.__main__ import main
for times in (1, 16):
    main([f"{times}.KIND", "out.KIND", "--registry", "REGISTRY"])
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.parametrize(("kind", "rows"), [("csv", 2 * CSV_ROWS), ("parquet", 2 * PARQUET_ROWS)])
def test_memory_does_not_grow_with_the_file(
    shipped: Registry, tmp_path: Path, kind: str, rows: int
) -> None:
    for times in (1, 16):
        write(tmp_path / f"{times}.{kind}", grams(times * rows))
    program = PEAK.replace("KIND", kind).replace("REGISTRY", str(shipped.root))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    small, large = (int(line) for line in done.stdout.splitlines() if line.isdecimal())
    assert large - small < 20 * 1024


# The progress bar: drawn for who looks, and for nobody else.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def drawn(self) -> list[str]:
        """The lines that were written over one another."""
        return [line.removesuffix("\x1b[K") for line in self.getvalue().split("\r")[1:]]


def test_a_terminal_is_shown_the_share_and_the_rows_until_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress()
    progress(0.5, 1_000_000)
    [line] = screen.drawn()
    assert line.startswith(f"{'█' * (WIDTH // 2)}{'░' * (WIDTH // 2)}  50%  1,000,000 rows  ")
    progress(1, 2)
    progress.close()
    assert screen.drawn()[-2:] == [f"{'█' * WIDTH} 100%  2 rows  0 s left", ""]


def test_it_is_not_drawn_more_often_than_an_eye_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    moments = iter([0.0, 10.0, 10.0 + EVERY / 2, 10.0 + EVERY * 2])
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("service.batch.progress.time", clock)
    progress = Progress()
    for rows in (1, 2, 3):
        progress(0.1, rows)
    assert [line.split("  ")[-2] for line in screen.drawn()] == ["1 rows", "3 rows"]


def test_a_file_is_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress(0.5, 1)
    progress.close()
    assert not capsys.readouterr().err
