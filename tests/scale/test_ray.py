"""Ten million rows over three nodes: every row once, whatever dies."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

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
def three() -> Iterator[Cluster]:
    with cluster(3) as running:
        yield running


def blocks(output: Path) -> list[Path]:
    return sorted(output.glob("*.parquet"))


def ids(output: Path) -> NDArray[np.int64]:
    """Every row's number, in the order of the files."""
    found: NDArray[np.int64] = np.concatenate(
        [pq.read_table(path, columns=["id"])["id"].to_numpy() for path in blocks(output)]
    )
    return found


def expected() -> NDArray[np.int64]:
    number = np.arange(ROWS)
    fine: NDArray[np.int64] = number[number % BAD != BAD - 1]
    return fine


def test_a_job_that_was_killed_goes_on_with_what_is_missing(
    three: Cluster, source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with scoring(source, output, "--ray", three.address) as job:
        await_(lambda: len(blocks(output)) >= 3, "three blocks are written")
        job.kill()
        job.communicate(timeout=60)
    before = {path: path.stat().st_mtime_ns for path in blocks(output)}
    with scoring(source, output, "--ray", three.address) as job:
        told, error = job.communicate(timeout=300)
    assert job.returncode == batch.SOME_REJECTED, error
    assert "blocks were there already" in told
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert np.array_equal(ids(output), expected())


def test_the_answers_and_the_bad_rows_are_those_of_one_machine_without_ray(
    three: Cluster, source: Path, tmp_path: Path
) -> None:
    with scoring(source, tmp_path / "ray", "--ray", three.address) as job:
        most = 0
        while job.poll() is None:
            most = max(most, resident(three.pid))
        error = job.communicate()[1]
    assert job.returncode == batch.SOME_REJECTED, error
    here = [str(source), str(tmp_path / "here"), "--registry", str(SHELF)]
    assert batch.main(here) == batch.SOME_REJECTED
    assert (tmp_path / "ray.rejected.csv").read_text() == (
        tmp_path / "here.rejected.csv"
    ).read_text()
    for ours, theirs in zip(blocks(tmp_path / "ray"), blocks(tmp_path / "here"), strict=True):
        assert pq.read_table(ours).equals(pq.read_table(theirs))
    assert 0 < most < 512 * MEGABYTE  # a block takes 10 MB; pandas and Ray the rest


def test_the_cores_of_this_machine_are_enough(tmp_path: Path) -> None:
    make(tmp_path / "in", 1_000)
    with scoring(tmp_path / "in", tmp_path / "out", "--ray") as job:
        told, error = job.communicate(timeout=180)
    assert job.returncode == 0, error
    assert "1,000 rows scored" in told
    assert np.array_equal(ids(tmp_path / "out"), np.arange(1_000))


def test_a_cluster_that_does_not_answer_is_a_sentence(source: Path, tmp_path: Path) -> None:
    with scoring(source, tmp_path / "out", "--ray", "127.0.0.1:1") as job:
        error = job.communicate(timeout=120)[1]
    assert job.returncode == 1
    assert "no Ray cluster answers at 127.0.0.1:1" in error


def test_a_block_that_cannot_be_read_is_a_sentence(
    three: Cluster, source: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "in" / "a.parquet"
    broken.parent.mkdir()
    content = bytearray(next(source.glob("*.parquet")).read_bytes())
    content[4:400] = b"\xff" * 396  # the footer, which is read before, is whole
    broken.write_bytes(content)
    with scoring(broken.parent, tmp_path / "out", "--ray", three.address) as job:
        error = job.communicate(timeout=120)[1]
    assert job.returncode == 1
    assert "a.parquet cannot be read as Parquet" in error.splitlines()[-1]
    assert "Traceback" not in error


# The last, for it leaves the cluster with two nodes.
def test_every_row_is_there_once_although_a_node_dies(
    three: Cluster, source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with scoring(source, output, "--ray", three.address) as job:
        await_(lambda: len(blocks(output)) >= 3, "three blocks are written")
        at_the_death = len(blocks(output))
        three.kill_a_node()
        told, error = job.communicate(timeout=300)
    assert job.returncode == batch.SOME_REJECTED, error
    assert at_the_death < len(blocks(output))
    assert np.array_equal(ids(output), expected())
    assert f"{len(expected()):,} rows scored" in told
