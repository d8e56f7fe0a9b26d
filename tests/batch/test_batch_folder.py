"""python -m service.batch on folders: block by block, in order, resumable."""

import csv
from errno import EACCES
from os import scandir, utime
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from models.publish import import_version
from models.registry import Registry, RegistryError
from service.batch import __main__ as batch
from service.batch import blocks, folder
from service.batch.blocks import Block, Work
from service.batch.tables import TableError

INPUTS = ("sugar", "fiber", "protein")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of two row groups."""
    monkeypatch.setattr(blocks, "ROWS", 20)


def fill(path: Path, rows: int, begin: int = 0, group: int = 10) -> dict[str, Any]:
    """A Parquet file of rows that tell their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = np.random.default_rng(begin).uniform(0, 15, (3, rows)).astype(np.float32)
    columns = {**dict(zip(INPUTS, made, strict=True)), "id": np.arange(begin, begin + rows)}
    pq.write_table(pa.table(columns), path, row_group_size=group)
    return columns


@pytest.fixture
def source(tmp_path: Path) -> Path:
    fill(tmp_path / "in" / "a.parquet", 45)
    fill(tmp_path / "in" / "b" / "c.parquet", 7, begin=45)
    return tmp_path / "in"


def run(shipped: Registry, *arguments: object) -> int:
    return batch.main([*map(str, arguments), "--registry", str(shipped.root)])


def written(output: Path) -> list[Path]:
    return sorted(output.rglob("*.parquet"))


def test_a_folder_keeps_its_rows_and_their_order(
    shipped: Registry, source: Path, tmp_path: Path, small: None
) -> None:
    assert run(shipped, source, tmp_path / "out") == 0
    tables = [pq.read_table(path) for path in written(tmp_path / "out")]
    assert pa.concat_tables(tables)["id"].to_pylist() == list(range(52))


def test_names_tell_file_and_block(
    shipped: Registry, source: Path, tmp_path: Path, small: None
) -> None:
    run(shipped, source, tmp_path / "out")
    names = [str(path.relative_to(tmp_path / "out")) for path in written(tmp_path / "out")]
    assert names == ["a-00000.parquet", "a-00001.parquet", "a-00002.parquet", "b/c-00000.parquet"]


def test_the_answers_are_those_of_one_file(
    shipped: Registry, source: Path, tmp_path: Path, small: None
) -> None:
    run(shipped, source, tmp_path / "out")
    run(shipped, source / "a.parquet", tmp_path / "a.parquet")
    parts = [pq.read_table(path) for path in written(tmp_path / "out")[:3]]
    assert pa.concat_tables(parts).equals(pq.read_table(tmp_path / "a.parquet"))


def test_bad_rows_are_told_with_their_file_and_row(
    shipped: Registry, source: Path, tmp_path: Path, small: None
) -> None:
    table = pq.read_table(source / "a.parquet").to_pydict()
    table["sugar"][24] = -1.0
    pq.write_table(pa.table(table), source / "a.parquet", row_group_size=10)
    assert run(shipped, source, tmp_path / "out") == batch.SOME_REJECTED
    with (tmp_path / "out.rejected.csv").open(newline="") as file:
        [header, row] = csv.reader(file)
    assert header[:3] == ["file", "row", "reason"]
    assert row[:2] == ["a.parquet", "25"]
    assert row[2].startswith("sugar: expected a number from 0 to 1000")


def breaking(after: int) -> folder.Engine:
    """An engine that dies after some blocks."""

    def engine(work: Work, todo: Any) -> Any:
        for number, block in enumerate(folder.here(work, todo)):
            if number == after:
                raise KeyboardInterrupt
            yield block

    return engine


def test_a_run_that_broke_off_scores_only_what_is_missing(
    shipped: Registry,
    source: Path,
    tmp_path: Path,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(batch, "_engine", lambda _: breaking(1))
        assert run(shipped, source, tmp_path / "out") == batch.STOPPED
    before = {path: path.stat().st_mtime_ns for path in written(tmp_path / "out")}
    assert run(shipped, source, tmp_path / "out") == 0
    assert len(before) == 2
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "2 blocks were there already" in capsys.readouterr().out


def test_a_block_that_is_scored_twice_is_there_once(
    shipped: Registry, source: Path, tmp_path: Path, small: None
) -> None:
    def twice(work: Work, todo: Any) -> Any:
        yield from folder.here(work, todo)
        list(folder.here(work, todo))

    batch_engine = twice
    work = Work(
        source, tmp_path / "out", shipped.root, "calories", 1, {i: i for i in INPUTS}, ("id",), ""
    )
    result = folder.score_folder(work, tmp_path / "bad.csv", batch_engine, lambda *_: None)
    assert result == folder.Result(scored=52, rejected=0, resumed=0)


def test_a_block_that_lost_rows_since_it_was_written_is_noticed(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shipped, source, tmp_path / "out")
    fill(tmp_path / "out" / "a-00000.parquet", 44)
    assert run(shipped, source, tmp_path / "out") == 1
    assert "51 rows of 52 are in" in capsys.readouterr().err


def test_the_bad_rows_of_a_block_are_there_before_its_answers(
    shipped: Registry, tmp_path: Path
) -> None:
    columns = {**fill(tmp_path / "in" / "a.parquet", 3), "sugar": [1.0, -1.0, 1.0]}
    pq.write_table(pa.table(columns), tmp_path / "in" / "a.parquet")
    names = {name: name for name in INPUTS}
    work = Work(tmp_path / "in", tmp_path / "out", shipped.root, "calories", 1, names, ("id",), "")
    block = Block("a.parquet", 0, 1, 1, 3, "a-00000")
    work.written(block).mkdir(parents=True)  # which cannot be replaced by a file
    with pytest.raises(OSError, match="directory"):
        blocks.Scorer(work)(block)
    assert work.rejected(block).exists()


def test_no_side_file_is_left_when_no_row_of_a_folder_is_bad(
    shipped: Registry, source: Path, tmp_path: Path
) -> None:
    side = tmp_path / "out.rejected.csv"
    side.write_text("of an earlier run")
    assert run(shipped, source, tmp_path / "out") == 0
    assert not side.exists()


def test_a_folder_that_another_job_began_is_refused(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shipped, source, tmp_path / "out")
    fill(source / "d.parquet", 3)
    assert run(shipped, source, tmp_path / "out") == 1
    assert "was begun with other files" in capsys.readouterr().err


def test_a_run_with_another_option_is_refused_with_the_option(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shipped, source, tmp_path / "out")
    assert run(shipped, source, tmp_path / "out", "--keep", "id") == 1
    assert "keep ('sugar', 'fiber', 'protein', 'id'), not ('id',)" in capsys.readouterr().err


def test_when_stable_has_moved_it_says_which_version_goes_on(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = Registry(tmp_path / "models")
    copytree(shipped.root / "calories", registry.root / "calories")
    run(registry, source, tmp_path / "out")
    import_version(registry, shipped.folder("calories", 1))
    assert run(registry, source, tmp_path / "out") == 1
    assert "go on with --version 1, or name another folder" in capsys.readouterr().err
    assert run(registry, source, tmp_path / "out", "--version", "1") == 0


def test_a_damaged_job_is_a_sentence(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(shipped, source, tmp_path / "out")
    (tmp_path / "out" / folder.JOB).write_text("{")
    assert run(shipped, source, tmp_path / "out") == 1
    assert "_job.json is damaged; remove" in capsys.readouterr().err


def test_drafts_of_a_run_that_was_killed_are_in_nobodys_way(
    shipped: Registry, source: Path, tmp_path: Path
) -> None:
    left = tmp_path / "out" / "._job.json.0badcafe.draft"
    left.parent.mkdir()
    left.write_text("{")
    assert run(shipped, source, tmp_path / "out") == 0
    assert not left.exists()


def test_a_file_that_changes_between_two_blocks_is_noticed(
    shipped: Registry,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def meddling(work: Work, todo: Any) -> Any:
        for block in folder.here(work, todo):
            utime(source / "a.parquet", (1, 1))
            yield block

    monkeypatch.setattr(batch, "_engine", lambda _: meddling)
    assert run(shipped, source, tmp_path / "out") == 1
    assert "changed while it was scored; remove" in capsys.readouterr().err


def test_hidden_files_are_passed_over_and_folders_may_be_named_like_files(
    shipped: Registry, source: Path, tmp_path: Path
) -> None:
    fill(source / "_temporary" / "x.parquet", 3)
    fill(source / ".b.parquet", 3)
    fill(source / "day.parquet" / "part-0.PARQUET", 3)
    names = [str(path.relative_to(source)) for path in folder.files(source)]
    assert names == ["a.parquet", "b/c.parquet", "day.parquet/part-0.PARQUET"]


def test_a_folder_that_cannot_be_looked_into_is_not_passed_over(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("/b"):
            raise PermissionError(EACCES, "Permission denied", path)
        return looked(path)

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


def test_a_folder_that_holds_something_else_is_refused(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    assert run(shipped, source, tmp_path / "out") == 1
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("in", "in/out"), "OUT must not lie in IN"),
        (("empty", "out"), "has no file that ends in .parquet or .pq"),
        (("in/a.parquet", "out", "--ray"), "--ray scores a folder of Parquet files"),
        (("mixed", "out"), "has other columns than"),
        (("twins", "out"), "has a .parquet and a .pq file of one name"),
        (("words", "out"), "b.parquet, column 'sugar': expected"),
        (("broken", "out"), "broken/a.parquet cannot be read as Parquet"),
        (("in", "letter"), "is a file and"),
        (("in", "letter/out"), "letter/out: Not a directory"),
        (("in", "."), "is not empty"),
        (("in/a.parquet", "in"), "in is a folder and in/a.parquet is a file: name a file"),
        (("in/a.parquet", "no/out.parquet"), "there is no folder no to write out.parquet into"),
        (("none", "out"), "none is no file: expected a CSV or Parquet file, or a folder"),
    ],
)
def test_what_cannot_be_scored_is_a_sentence(
    shipped: Registry,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "mixed" / "a.parquet", 3)
    pq.write_table(pa.table({"sugar": [1.0]}), tmp_path / "mixed" / "b.parquet")
    fill(tmp_path / "twins" / "a.parquet", 3)
    fill(tmp_path / "twins" / "a.pq", 3)
    fill(tmp_path / "words" / "a.parquet", 3)
    words = {"sugar": ["x"], "fiber": [1.0], "protein": [1.0], "id": [1]}
    pq.write_table(pa.table(words), tmp_path / "words" / "b.parquet")
    (tmp_path / "letter").write_text("dear")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.parquet").write_text("dear")
    monkeypatch.chdir(tmp_path)
    assert run(shipped, *arguments) == 1
    assert sentence in capsys.readouterr().err


def test_without_ray_it_says_what_to_install(
    shipped: Registry, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(shipped, source, tmp_path / "out", "--ray") == 1
    assert "requirements/scale.txt" in capsys.readouterr().err


def test_a_file_that_changes_is_noticed(shipped: Registry, source: Path, tmp_path: Path) -> None:
    work = Work(
        source, tmp_path / "out", shipped.root, "calories", 1, {i: i for i in INPUTS}, ("id",), ""
    )
    told = Block("a.parquet", 0, 5, 1, 46, "a-00000")
    with pytest.raises(TableError, match="changed while it was scored"):
        blocks.Scorer(work)(told)
    assert not written(tmp_path / "out")


def test_every_process_asks_for_the_signature(
    shipped: Registry, source: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    columns = {name: name for name in INPUTS}
    work = Work(source, tmp_path / "out", shipped.root, "calories", 1, columns, ("id",), "", key)
    with pytest.raises(RegistryError, match="not signed"):
        blocks.Scorer(work)
