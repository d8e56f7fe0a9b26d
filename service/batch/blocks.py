"""A folder of Parquet files, block by block.

A block is a run of whole row groups of one file, a quarter of a million rows or more. Each
becomes one file of the output, `day1.parquet` becoming `day1-00000.parquet`, `day1-00001.parquet`
...: the names sort as the rows do. A block is written under another name and renamed, so what is
there is whole: a run that broke off goes on with the blocks that are missing, and one that is
scored twice, by a machine that was thought dead, is there once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.batch import parquet_file
from service.batch.rejects import RejectsFile
from service.batch.score import Plan, score
from service.batch.tables import TableError, draft
from service.serving import trust
from service.serving.loaded import Loaded

ROWS = 1 << 18
REJECTED = "_rejected"  # readers of Parquet folders pass over names like this


@dataclass(frozen=True)
class Block:
    """Row groups `begin` to `end` of a file; `first` is the number of its first row, from 1."""

    file: str
    begin: int
    end: int
    first: int
    rows: int
    name: str


@dataclass(frozen=True)
class Work:
    """What every block is scored with, wherever: paths, names and numbers only."""

    folder: Path
    output: Path
    registry: Path
    model: str
    version: int
    columns: dict[str, str]
    keep: tuple[str, ...]
    prefix: str
    public_key: Path | None = None

    def written(self, block: Block) -> Path:
        """Where a block's answers lie when it is finished."""
        return self.output / f"{block.name}.parquet"

    def rejected(self, block: Block) -> Path:
        """Where a block's bad rows lie, if it has any."""
        return self.output / REJECTED / f"{block.name}.csv"


def blocks(folder: Path, files: Sequence[Path]) -> Iterator[Block]:
    """The blocks of the files, in the order of their rows; raises TableError."""
    for path in files:
        stem = path.relative_to(folder).with_suffix("")
        groups = parquet_file.row_groups(path)
        ends = list(_ends(groups))
        digits = max(5, len(str(len(ends) - 1)))
        begin, first = 0, 1
        for number, end in enumerate(ends):
            rows = sum(groups[begin:end])
            name = f"{stem}-{number:0{digits}}"
            yield Block(str(path.relative_to(folder)), begin, end, first, rows, name)
            begin, first = end, first + rows


def _ends(groups: Sequence[int]) -> Iterator[int]:
    """Where each block ends: after the group that fills it, and after the last."""
    rows = 0
    for number, size in enumerate(groups, 1):
        rows += size
        if rows >= ROWS or number == len(groups):
            yield number
            rows = 0
    if not groups:
        yield 0


class Scorer:
    """The data plane of one process: a version, loaded once, that scores block after block."""

    def __init__(self, work: Work) -> None:
        registry = trust.registry(work.registry, work.public_key)
        source = Loaded.verified(registry, work.model, work.version, "auto")
        self._work = work
        self._plan = Plan(source, work.columns, work.keep, work.prefix)

    def __call__(self, block: Block) -> Block:
        """Score a block into its file, its bad rows into a file of their own before that."""
        work, plan = self._work, self._plan
        output, side = work.written(block), work.rejected(block)
        output.parent.mkdir(parents=True, exist_ok=True)
        side.parent.mkdir(parents=True, exist_ok=True)
        reader = parquet_file.ParquetReader(
            work.folder / block.file, list(plan.columns.values()), block.begin, block.end
        )
        reader.first = block.first
        with draft(output) as temporary, RejectsFile(side, reader.names) as rejects:
            writer = parquet_file.ParquetWriter(temporary)
            try:
                scored = score(plan, reader, writer, rejects, lambda *_: None)
            finally:
                writer.close()
            if scored + rejects.count != block.rows:
                raise TableError(f"{block.file} changed while it was scored; start again.")
        return block
