"""Ten million rows over three nodes: every row once, whatever dies."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks.scale.process import Cluster, cluster, resident, scoring
from benchmarks.scale.rows import make
from models.registry import SHELF
from service.batch import __main__ as batch
from tests.servers import await_

ROWS, BAD = 10_000_000, 1_000_003
MEGABYTE = 1024 * 1024

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows") / "in"
    make(folder, ROWS, BAD)
    return folder


@pytest.fixture(scope="module")
def here(source: Path) -> Path:
    """What one machine makes of the rows without Ray."""
    output = source.with_name("here")
    arguments = [str(source), str(output), "--registry", str(SHELF)]
    assert batch.main(arguments) == batch.SOME_REJECTED
    return output


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with cluster(3) as running:
        yield running


def blocks(output: Path) -> list[Path]:
    return sorted(output.glob("*.parquet"))


def are_those_of_one_machine(output: Path, here: Path) -> bool:
    """Whether each row is there once, with its answer, or is told as a bad one."""
    ours, theirs = (it.with_name(f"{it.name}.rejected.csv").read_text() for it in (output, here))
    pairs = zip(blocks(output), blocks(here), strict=True)
    return ours == theirs and all(pq.read_table(a).equals(pq.read_table(b)) for a, b in pairs)


def test_a_job_that_was_killed_goes_on_with_what_is_missing_in_bounded_memory(
    three: Cluster, source: Path, here: Path, tmp_path: Path
) -> None:
    output, most = tmp_path / "out", 0
    with scoring(source, output, "--ray", three.address) as job:
        await_(lambda: len(blocks(output)) >= 3, "three blocks are written")
        job.kill()
        job.communicate(timeout=60)
    before = {path: path.stat().st_mtime_ns for path in blocks(output)}
    with scoring(source, output, "--ray", three.address) as job:
        while job.poll() is None:
            most = max(most, resident(three.pid))
        told, error = job.communicate()
    assert job.returncode == batch.SOME_REJECTED, error
    assert "blocks were there already" in told
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert are_those_of_one_machine(output, here)
    assert 0 < most < 512 * MEGABYTE  # a block takes 10 MB; pandas and Ray the rest


def test_the_cores_of_this_machine_are_enough(tmp_path: Path) -> None:
    make(tmp_path / "in", 1_000)
    with scoring(tmp_path / "in", tmp_path / "out", "--ray") as job:
        told, error = job.communicate(timeout=180)
    assert job.returncode == 0, error
    assert "1,000 rows scored" in told
    assert pq.read_table(tmp_path / "out")["id"].to_pylist() == [*range(1_000)]


def broken(source: Path, folder: Path) -> Path:
    """A block that cannot be read: only its footer, which is read before, is whole."""
    path = folder / "in" / "a.parquet"
    path.parent.mkdir()
    content = next(source.glob("*.parquet")).read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 396 + content[400:])
    return path.parent


def test_a_cluster_that_does_not_answer_and_a_block_that_cannot_be_read_are_sentences(
    three: Cluster, source: Path, tmp_path: Path
) -> None:
    for rows, output, address, told in (
        (source, "one", "127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        (broken(source, tmp_path), "two", three.address, "a.parquet cannot be read as Parquet"),
    ):
        with scoring(rows, tmp_path / output, "--ray", address) as job:
            error = job.communicate(timeout=120)[1]
        assert job.returncode == 1
        assert told in error.splitlines()[-1]
        assert "Traceback" not in error


# The last, for it leaves the cluster with two nodes.
def test_every_row_is_there_once_although_a_node_dies(
    three: Cluster, source: Path, here: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with scoring(source, output, "--ray", three.address) as job:
        await_(lambda: len(blocks(output)) >= 3, "three blocks are written")
        at_the_death = len(blocks(output))
        three.kill_a_node()
        told, error = job.communicate(timeout=300)
    assert job.returncode == batch.SOME_REJECTED, error
    assert at_the_death < len(blocks(output))
    assert are_those_of_one_machine(output, here)
    assert f"{ROWS - ROWS // BAD:,} rows scored" in told
