"""The batch job on tables of any inputs."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from models.registry import Registry
from service.serving.loaded import Loaded
from tests.batch.conftest import Run, write

FAR = np.float32(3e38)  # sums of such have no finite float32


@pytest.mark.parametrize("model", ["one", "thirteen", "sixty", "bare"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_is_scored_with_what_the_version_answers_and_no_more(
    any_table: Registry, run: Run, tmp_path: Path, model: str, kind: str
) -> None:
    source = Loaded.verified(any_table, model, 1, "litert")
    rows = np.random.default_rng(0).normal(0, 5, (50, len(source.inputs))).astype(np.float32)
    write(tmp_path / f"in.{kind}", dict(zip(source.inputs, rows.T.copy(), strict=True)))
    code, said = run(f"in.{kind} out.parquet --model {model} --keep x0", registry=any_table.root)
    assert (code, said.count(f"50 rows scored by {model} version 1")) == (0, 1)
    found = pq.read_table(tmp_path / "out.parquet").to_pydict()
    known = ["in_range"] if source.ranges else []
    assert list(found) == ["x0", *source.outputs, *known]
    for name, column in zip(source.outputs, source.engine.predict(rows), strict=True):
        assert found[name] == column.tolist()


def test_a_row_that_the_model_has_no_finite_answer_for_is_a_bad_row_and_stops_no_other(
    any_table: Registry, run: Run, tmp_path: Path
) -> None:
    rows = np.ones((5, 60), np.float32)
    rows[1], rows[3] = FAR, -FAR
    finite = np.isfinite(Loaded.verified(any_table, "sixty", 1, "litert").engine.predict(rows)[0])
    assert not finite[[1, 3]].all()
    write(tmp_path / "in.csv", {f"x{i}": column.tolist() for i, column in enumerate(rows.T)})
    code, said = run("in.csv out.csv --model sixty --keep x0", registry=any_table.root)
    assert code == 3
    assert f"{finite.sum()} rows scored" in said
    bad = (tmp_path / "out.csv.rejected.csv").read_text().splitlines()
    assert len(bad) == 1 + 5 - finite.sum()
    assert "finite answer" in bad[1]
