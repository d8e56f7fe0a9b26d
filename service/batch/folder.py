"""A folder of Parquet files into a folder of Parquet files, resumable, here or with Ray."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from service.batch.blocks import ROWS, Block, Scorer, Work, blocks
from service.batch.parquet_file import row_groups
from service.batch.tables import TableError, draft

JOB = "_job.json"
PATTERN = ("*.parquet", "*.pq")
Engine = Callable[[Work, Sequence[Block]], Iterator[Block]]  # gives each block when it is done
Watch = Callable[[float, int], None]  # share of the blocks, rows scored


@dataclass(frozen=True)
class Result:
    """What lies in the output now: rows scored and rejected, and blocks found finished before."""

    scored: int
    rejected: int
    resumed: int


def files(folder: Path) -> list[Path]:
    """The Parquet files below a folder, in the order of their names; raises TableError."""
    found = sorted(path for pattern in PATTERN for path in folder.rglob(pattern))
    if not found:
        raise TableError(f"{folder} has no file that ends in .parquet or .pq.")
    stems = [path.with_suffix("") for path in found]
    if len(set(stems)) < len(stems):
        raise TableError(f"{folder} has a .parquet and a .pq file of one name; rename one of them.")
    return found


def here(work: Work, todo: Sequence[Block]) -> Iterator[Block]:
    """Score the blocks in this process, one after the other."""
    yield from map(Scorer(work), todo)


def score_folder(work: Work, side: Path, engine: Engine, watch: Watch) -> Result:
    """Score every block that is not there yet; raises TableError if OUT is another job's."""
    every = list(blocks(work.folder, files(work.folder)))
    _claim(work, every)
    todo = [block for block in every if not work.written(block).exists()]
    total = sum(block.rows for block in every)
    rows = total - sum(block.rows for block in todo)
    for block in engine(work, todo) if todo else ():
        rows += block.rows
        watch(rows / max(total, 1), rows)
    return _finished(work, every, side, len(every) - len(todo))


def _claim(work: Work, every: Sequence[Block]) -> None:
    """Write what this job is into OUT, or find that it is the one that was begun there."""
    stats = {block.file: (work.folder / block.file).stat() for block in every}
    job = {
        "work": {key: str(value) for key, value in asdict(work).items() if key != "output"},
        "rows a block": ROWS,
        "files": {file: [each.st_size, each.st_mtime_ns] for file, each in stats.items()},
    }
    text = json.dumps(job, indent=1)
    card = work.output / JOB
    work.output.mkdir(parents=True, exist_ok=True)
    if card.exists() and card.read_text() != text:
        raise TableError(
            f"{work.output} was begun with other files, another version or other options; name "
            "another folder, or remove this one."
        )
    if not card.exists() and any(work.output.iterdir()):
        raise TableError(f"{work.output} is not empty; name a new folder.")
    if not card.exists():
        with draft(card) as temporary:
            temporary.write_text(text)


def _finished(work: Work, every: Sequence[Block], side: Path, resumed: int) -> Result:
    """Count what is there, and gather the bad rows; raises TableError if a row is missing."""
    scored = sum(sum(row_groups(work.written(block))) for block in every)
    rejected = _gather(work, every, side)
    if scored + rejected != (total := sum(block.rows for block in every)):
        raise TableError(f"{scored + rejected:,} rows of {total:,} are in {work.output}.")
    for left in work.output.rglob(".*.draft"):  # of a process that was killed
        left.unlink(missing_ok=True)
    return Result(scored, rejected, resumed)


def _gather(work: Work, every: Sequence[Block], side: Path) -> int:
    """All blocks' bad rows in one file, each with its source file; returns how many."""
    found = [block for block in every if work.rejected(block).exists()]
    if not found:
        side.unlink(missing_ok=True)
        return 0
    count = 0
    with draft(side) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for block in found:
            with work.rejected(block).open(newline="", encoding="utf-8") as part:
                lines = csv.reader(part)
                header = next(lines)
                if not count:
                    writer.writerow(["file", *header])
                for line in lines:
                    writer.writerow([block.file, *line])
                    count += 1
    return count
