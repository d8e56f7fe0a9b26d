"""python -m service.batch on folders: block by block, in order, resumable."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from errno import EACCES
from os import scandir, utime
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.publish import import_version
from models.registry import Registry, RegistryError
from service.batch import __main__ as batch
from service.batch import blocks, folder
from service.batch.blocks import Block, Work
from service.batch.tables import TableError
from tests.batch.conftest import INPUTS, Run, write
from tests.conftest import Keys

BLOCKS = ["a-00000.parquet", "a-00001.parquet", "a-00002.parquet", "b/c-00000.parquet"]


def fill(path: Path, rows: int, begin: int = 0, **others: Any) -> None:
    """A Parquet file of rows that tell their number, in groups of ten."""
    made = np.random.default_rng(begin).uniform(0, 15, (3, rows)).astype(np.float32)
    columns = dict(zip(INPUTS, made, strict=True))
    write(path, {**columns, "id": np.arange(begin, begin + rows), **others}, group=10)


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `in` of two files, and blocks of two row groups."""
    monkeypatch.setattr(blocks, "ROWS", 20)
    fill(tmp_path / "in" / "a.parquet", 45)
    fill(tmp_path / "in" / "b" / "c.parquet", 7, begin=45)
    return tmp_path / "in"


@pytest.fixture
def work(shipped: Registry, source: Path, tmp_path: Path) -> Work:
    names = {name: name for name in INPUTS}
    return Work(source, tmp_path / "out", shipped.root, "calories", 1, names, ("id",), "")


@pytest.fixture
def meddling(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], None]:
    """Have something happen before each block but the first, which is given the block's number."""

    def meddle(happen: Callable[[int], object]) -> None:
        def engine(work: Work, todo: Iterable[Block]) -> Iterator[Block]:
            for number, block in enumerate(folder.here(work, list(todo))):
                happen(number)
                yield block

        monkeypatch.setattr(batch, "_runner", lambda _: engine)

    return meddle


def written(output: Path) -> list[Path]:
    return sorted(output.rglob("*.parquet"))


def test_a_folder_keeps_its_rows_and_their_order_and_answers_as_one_file(
    run: Run, tmp_path: Path
) -> None:
    assert run("in out")[0] == 0
    parts = written(tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in parts] == BLOCKS
    tables = [pq.read_table(path) for path in parts]
    assert pa.concat_tables(tables)["id"].to_pylist() == list(range(52))
    run("in/a.parquet a.parquet")
    assert pa.concat_tables(tables[:3]).equals(pq.read_table(tmp_path / "a.parquet"))


def test_bad_rows_are_told_with_their_file_and_row(run: Run, source: Path, tmp_path: Path) -> None:
    side = tmp_path / "out.rejected.csv"
    side.write_text("of an earlier run")
    assert run("in out")[0] == 0
    assert not side.exists(), "no row was bad"
    fill(source / "a.parquet", 45, sugar=[1.0] * 24 + [-1.0] + [1.0] * 20)
    assert run("in other --rejected out.rejected.csv")[0] == batch.SOME_REJECTED
    with side.open(newline="") as file:
        [header, row] = csv.reader(file)
    assert header[:3] == ["file", "row", "reason"]
    assert row[:2] == ["a.parquet", "25"]
    assert row[2].startswith("sugar: expected a number from 0 to 1000")


def test_the_bad_rows_of_a_block_are_there_before_its_answers(work: Work) -> None:
    fill(work.folder / "a.parquet", 3, sugar=[1.0, -1.0, 1.0])
    block = Block("a.parquet", 0, 1, 1, 3, "a-00000")
    work.written(block).mkdir(parents=True)  # which cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        blocks.Scorer(work)(block)
    assert work.rejected(block).exists()


# A run that broke off, or another one


def test_a_run_that_broke_off_scores_only_what_is_missing(
    run: Run, tmp_path: Path, meddling: Callable[[Callable[[int], object]], None]
) -> None:
    def interrupt(number: int) -> None:
        if number:
            raise KeyboardInterrupt

    meddling(interrupt)
    assert run("in out")[0] == batch.STOPPED
    before = {path: path.stat().st_mtime_ns for path in written(tmp_path / "out")}
    assert len(before) == 2
    meddling(int)
    code, said = run("in out")
    assert code == 0
    assert "2 blocks were there already" in said
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_block_that_is_scored_twice_is_there_once(work: Work, tmp_path: Path) -> None:
    def twice(work: Work, todo: Any) -> Any:
        yield from folder.here(work, todo)
        list(folder.here(work, todo))

    result = folder.score_folder(work, tmp_path / "bad.csv", twice, lambda *_: None)
    assert result == folder.Result(scored=52, rejected=0, resumed=0)


AGAIN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "lost rows": (lambda at: fill(at / "out/a-00000.parquet", 19), "", "51 rows of 52 are in"),
    "more files": (lambda at: fill(at / "in/d.parquet", 3), "", "was begun with other files"),
    "other option": (
        lambda _: None,
        "--keep id",
        "keep ('sugar', 'fiber', 'protein', 'id'), not ('id',)",
    ),
    "damaged": (
        lambda at: (at / "out" / folder.JOB).write_text("{"),
        "",
        "_job.json is damaged; remove",
    ),
}


@pytest.mark.parametrize("case", AGAIN)
def test_a_run_that_cannot_go_on_says_why(run: Run, tmp_path: Path, case: str) -> None:
    change, options, sentence = AGAIN[case]
    assert run("in out")[0] == 0
    change(tmp_path)
    code, said = run(f"in out {options}")
    assert code == 1
    assert sentence in said


def test_when_stable_has_moved_it_says_which_version_goes_on(
    shipped: Registry, run: Run, tmp_path: Path
) -> None:
    registry = Registry(tmp_path / "models")
    copytree(shipped.root / "calories", registry.root / "calories")
    run("in out", registry=registry.root)
    import_version(registry, shipped.folder("calories", 1))
    code, said = run("in out", registry=registry.root)
    assert code == 1
    assert "go on with --version 1, or name another folder" in said
    assert run("in out --version 1", registry=registry.root)[0] == 0


def test_drafts_of_a_run_that_was_killed_are_in_nobodys_way(run: Run, tmp_path: Path) -> None:
    left = tmp_path / "out" / "._job.json.0badcafe.draft"
    left.parent.mkdir()
    left.write_text("{")
    assert run("in out")[0] == 0
    assert not left.exists()


def test_a_file_that_changes_between_two_blocks_is_noticed(
    run: Run, source: Path, meddling: Callable[[Callable[[int], object]], None]
) -> None:
    meddling(lambda _: utime(source / "a.parquet", (1, 1)))
    code, said = run("in out")
    assert code == 1
    assert "changed while it was scored; remove" in said


def test_a_file_that_changes_within_a_block_is_noticed(work: Work) -> None:
    with pytest.raises(TableError, match="changed while it was scored"):
        blocks.Scorer(work)(Block("a.parquet", 0, 5, 1, 46, "a-00000"))
    assert not written(work.output)


# What is in a folder


def test_hidden_files_are_passed_over_and_folders_may_be_named_like_files(source: Path) -> None:
    for name in ("_temporary/x.parquet", ".b.parquet", "day.parquet/part-0.PARQUET"):
        fill(source / name, 3)
    names = [str(path.relative_to(source)) for path in folder.files(source)]
    assert names == ["a.parquet", "b/c.parquet", "day.parquet/part-0.PARQUET"]


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: str) -> Any:
        if str(path).endswith("/b"):
            raise PermissionError(EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refusing)  # root may look into every folder
    with pytest.raises(PermissionError):
        folder.files(source)


def test_the_names_of_a_hundred_thousand_blocks_sort_as_the_rows_do(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 1)
    monkeypatch.setattr("service.batch.parquet_file.row_groups", lambda _: [1] * 100_001)
    names = [block.name for block in blocks.blocks(source, [source / "a.parquet"])]
    assert names == sorted(names)
    assert names[-1] == "a-100000"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("in in/out", "OUT must not lie in IN"),
        ("empty out", "has no file that ends in .parquet or .pq"),
        ("in/a.parquet out --ray", "--ray scores a folder of Parquet files"),
        ("in out --ray", "requirements/scale.txt"),
        ("mixed out", "has other columns than"),
        ("twins out", "has a .parquet and a .pq file of one name"),
        ("words out", "b.parquet, column 'sugar': expected"),
        ("broken out", "broken/a.parquet cannot be read as Parquet"),
        ("in letter", "is a file and"),
        ("in letter/out", "letter/out: Not a directory"),
        ("in broken", "is not empty"),
        ("in/a.parquet in", "in is a folder and in/a.parquet is a file: name a file"),
        ("in/a.parquet no/out.parquet", "there is no folder no to write out.parquet into"),
        ("none out", "none is no file: expected a CSV or Parquet file, or a folder"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(
    run: Run, tmp_path: Path, command: str, sentence: str
) -> None:
    for name in ("empty", "broken"):
        (tmp_path / name).mkdir()
    for name in ("letter", "broken/a.parquet"):
        (tmp_path / name).write_text("dear")
    for name in ("mixed/a.parquet", "twins/a.parquet", "twins/a.pq", "words/a.parquet"):
        fill(tmp_path / name, 3)
    write(tmp_path / "mixed" / "b.parquet", {"sugar": [1.0]})
    fill(tmp_path / "words" / "b.parquet", 1, sugar=["x"])
    code, said = run(command)
    assert code == 1
    assert sentence in said


def test_every_process_asks_for_the_signature(work: Work, keys: Keys) -> None:
    with pytest.raises(RegistryError, match="not signed"):
        blocks.Scorer(replace(work, public_key=keys.public))
