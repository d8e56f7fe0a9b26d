"""A folder of Parquet files into a folder of Parquet files, resumable, here or with Ray."""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from service.batch.blocks import ROWS, Block, Scorer, Work, blocks
from service.batch.parquet_file import ParquetReader, row_groups
from service.batch.tables import DRAFT, TableError, draft, is_parquet

JOB = "_job.json"
HIDDEN = (".", "_")  # readers of Parquet folders pass over names that begin so
Runner = Callable[[Work, Sequence[Block]], Iterator[Block]]  # gives each block when it is done
Report = Callable[[float, int], None]  # share of the blocks, rows scored


@dataclass(frozen=True)
class Result:
    """What lies in the output now: rows scored and rejected, and blocks found finished before."""

    scored: int
    rejected: int
    resumed: int


def files(folder: Path) -> list[Path]:
    """The Parquet files below a folder, in the order of their names.

    Raises TableError, and OSError for a folder that cannot be looked into.
    """
    found = sorted(_below(folder))
    if not found:
        raise TableError(f"{folder} has no file that ends in .parquet or .pq.")
    stems = [path.with_suffix("") for path in found]
    if len(set(stems)) < len(stems):
        raise TableError(f"{folder} has a .parquet and a .pq file of one name; rename one of them.")
    return found


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> NoReturn:
        raise error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        shown = [Path(place, name) for name in names if not name.startswith(HIDDEN)]
        yield from filter(is_parquet, shown)


def column_names(files: Sequence[Path], inputs: Iterable[str]) -> tuple[str, ...]:
    """The columns of all files; raises TableError if one has others, or no numbers as inputs."""
    first, *others = files
    inputs = tuple(inputs)
    names = ParquetReader(first, inputs).names
    for other in others:
        if ParquetReader(other, inputs).names != names:
            raise TableError(f"{other} has other columns than {first}; score them separately.")
    return names


def here(work: Work, todo: Sequence[Block]) -> Iterator[Block]:
    """Score the blocks in this process, one after the other."""
    yield from map(Scorer(work), todo)


def score_folder(work: Work, side: Path, runner: Runner, report: Report) -> Result:
    """Score every block that is not there yet; raises TableError if OUT is another job's."""
    every = list(blocks(work.folder, files(work.folder)))
    job = _job(work, every)
    _claim(work, job)
    todo = [block for block in every if not work.written(block).exists()]
    total = sum(block.rows for block in every)
    rows = total - sum(block.rows for block in todo)
    for block in runner(work, todo) if todo else ():
        rows += block.rows
        report(rows / max(total, 1), rows)
    if _job(work, every) != job:
        raise TableError(
            f"{work.folder} changed while it was scored; remove {work.output} and start again."
        )
    return _finished(work, every, side, len(every) - len(todo))


def _job(work: Work, every: Sequence[Block]) -> dict[str, Any]:
    """What decides the output: what is done with which files."""
    stats = {block.file: (work.folder / block.file).stat() for block in every}
    return {
        "work": {key: str(value) for key, value in asdict(work).items() if key != "output"},
        "rows a block": ROWS,
        "files": {file: [each.st_size, each.st_mtime_ns] for file, each in stats.items()},
    }


def _claim(work: Work, job: dict[str, Any]) -> None:
    """Write what this job is into OUT, or find that it is the one that was begun there."""
    card = work.output / JOB
    if work.output.exists() and not work.output.is_dir():
        raise TableError(f"{work.output} is a file and {work.folder} a folder: name a folder.")
    work.output.mkdir(parents=True, exist_ok=True)
    if card.exists():
        _require_same(work, _read(card), job)
        return
    if any(each.suffix != DRAFT for each in work.output.iterdir()):
        raise TableError(f"{work.output} is not empty; name a new folder.")
    with draft(card) as temporary:
        temporary.write_text(json.dumps(job, indent=1))


def _read(card: Path) -> dict[str, Any]:
    try:
        return {"work": {}, "files": {}, **json.loads(card.read_text())}
    except (ValueError, TypeError) as error:
        raise TableError(f"{card} is damaged; remove {card.parent} and start again.") from error


def _require_same(work: Work, begun: dict[str, Any], job: dict[str, Any]) -> None:
    """Raises TableError, with the difference, if another job was begun in OUT."""
    if begun == job:
        return
    was, now = begun["work"], job["work"]
    version = was.get("version")
    if {**begun, "work": {**was, "version": now["version"]}} == job:
        raise TableError(
            f"{work.output} was begun with version {version} of {work.model}, and this is version "
            f"{work.version}: go on with --version {version}, or name another folder."
        )
    others = [f"{key} {was.get(key)}, not {now[key]}" for key in now if was.get(key) != now[key]]
    raise TableError(
        f"{work.output} was begun with {'; '.join(others) or 'other files'}; name another folder, "
        "or remove this one."
    )


def _finished(work: Work, every: Sequence[Block], side: Path, resumed: int) -> Result:
    """Count what is there, and gather the bad rows; raises TableError if a row is missing."""
    scored = sum(sum(row_groups(work.written(block))) for block in every)
    rejected = _gather(work, every, side)
    if scored + rejected != (total := sum(block.rows for block in every)):
        raise TableError(f"{scored + rejected:,} rows of {total:,} are in {work.output}.")
    for left in work.output.rglob(f".*{DRAFT}"):  # of a process that was killed
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
