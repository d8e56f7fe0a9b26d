"""python -m service.batch IN OUT: score a CSV or Parquet file of any size, or a folder of Parquet.

OUT gets IN's columns, and the answers beside them as POST /predict names them. Rows that cannot
be scored go to a CSV file of their own, with their numbers and reasons. A folder becomes a folder,
and a run that broke off goes on where it was; --ray spreads it over cores and machines.

Exit codes: 0 every row was scored, 1 nothing was written, 2 the command line is wrong,
3 some rows were rejected.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.registry import RegistryError
from service.batch.csv_file import CsvReader, CsvWriter
from service.batch.options import parser
from service.batch.progress import Progress
from service.batch.rejects import RejectsFile
from service.batch.score import Plan, answered, score
from service.batch.tables import Reader, TableError, Writer, draft, is_parquet
from service.errors import ServiceError
from service.serving import trust
from service.serving.loaded import Loaded

SOME_REJECTED = 3
STOPPED = 130  # as shells tell of SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a file; returns the exit code."""
    options = parser(__doc__).parse_args(arguments)
    try:
        return _run(options)
    except (TableError, RegistryError, ServiceError) as error:
        print(f"batch: {error}", file=sys.stderr)
    except OSError as error:
        told = f"{error.filename}: {error.strerror}." if error.filename else error
        print(f"batch: {told}", file=sys.stderr)
    except KeyboardInterrupt:
        print("batch: stopped; a folder goes on by the same command.", file=sys.stderr)
        return STOPPED
    return 1


def _run(options: argparse.Namespace) -> int:
    output = options.output if options.output.name else options.output.absolute()  # "." has none
    side = options.rejected or output.with_name(f"{output.name}.rejected.csv")
    if options.input.is_dir():
        return _run_folder(options, side)
    if options.ray:
        raise TableError(f"--ray scores a folder of Parquet files; {options.input} is none.")
    return _run_file(options, side)


def _run_folder(options: argparse.Namespace, side: Path) -> int:
    if options.input.resolve() in [options.output.resolve(), *options.output.resolve().parents]:
        raise TableError("OUT must not lie in IN, or its files would be scored as well.")
    _parquet(options.input)
    from service.batch import folder  # noqa: PLC0415  pyarrow is optional
    from service.batch.blocks import Work  # noqa: PLC0415

    source = _load(options)
    columns = _columns(options, source)
    names = folder.column_names(folder.files(options.input), columns.values())
    plan = _plan(options, source, columns, names)
    work = Work(
        options.input.resolve(),
        options.output.resolve(),
        options.registry.resolve(),
        source.model,
        source.version,
        columns,
        tuple(plan.keep),
        plan.prefix,
        options.public_key and options.public_key.resolve(),
    )
    progress = Progress()
    try:
        result = folder.score_folder(work, side, _runner(options.ray), progress)
    finally:
        progress.close()
    if result.resumed:
        print(f"{result.resumed:,} blocks were there already")
    return _told(options, source, result.scored, result.rejected, side)


def _runner(address: str | None) -> Any:
    from service.batch import folder  # noqa: PLC0415  pyarrow is optional

    if not address:
        return folder.here
    if not find_spec("ray"):
        raise TableError(
            "--ray needs Ray, which is not installed here: "
            "pip install --require-hashes -r requirements/scale.txt."
        )
    from service.batch import ray_data  # noqa: PLC0415  Ray is optional, and takes seconds

    return partial(ray_data.run, address=address)


def _run_file(options: argparse.Namespace, side: Path) -> int:
    _require_three_files(options.input, options.output, side)
    source = _load(options)
    columns = _columns(options, source)
    reader = _reader(options.input, list(columns.values()))
    plan = _plan(options, source, columns, reader.names)
    progress = Progress()
    with draft(options.output) as temporary, RejectsFile(side, reader.names) as rejects:
        writer = _writer(options.output, temporary)
        try:
            scored = score(plan, reader, writer, rejects, progress)
        finally:
            writer.close()
            progress.close()
    return _told(options, source, scored, rejects.count, side)


def _told(
    options: argparse.Namespace, source: Loaded, scored: int, rejected: int, side: Path
) -> int:
    print(f"{scored:,} rows scored by {source.model} version {source.version}: {options.output}")
    if rejected:
        print(f"{rejected:,} rows rejected, with their reasons: {side}")
    return SOME_REJECTED if rejected else 0


def _columns(options: argparse.Namespace, source: Loaded) -> dict[str, str]:
    """What each input is called in IN."""
    return {name: dict(options.column).get(name, name) for name in source.inputs}


def _load(options: argparse.Namespace) -> Loaded:
    registry = trust.registry(options.registry, options.public_key)
    version = options.version or registry.labelled(options.model, options.label)
    return Loaded.verified(registry, options.model, version, "auto")


def _plan(
    options: argparse.Namespace, source: Loaded, columns: dict[str, str], names: Sequence[str]
) -> Plan:
    """The plan, if the file has the columns for it; raises TableError if not."""
    known = ", ".join(names)
    for name, header in columns.items():
        if header not in names:
            raise TableError(
                f"{options.input} has no column '{header}' for {name}; it has: {known}. "
                f"Name it with --column {name}=COLUMN."
            )
    keep = names if options.keep is None else options.keep
    if unknown := [name for name in keep if name not in names]:
        raise TableError(f"{options.input} has no column '{unknown[0]}' to keep; it has: {known}.")
    none = answered(source, np.empty((0, len(columns)), np.float32))
    answers = {options.prefix + name for name in none.answers()}
    if taken := [name for name in keep if name in answers]:
        raise TableError(
            f"{options.input} has a column '{taken[0]}', as the answer will have; name the "
            "answers otherwise with --prefix predicted_, or leave it out with --keep."
        )
    return Plan(source, columns, keep, options.prefix)


def _reader(path: Path, inputs: Sequence[str]) -> Reader:
    return _parquet(path).ParquetReader(path, inputs) if is_parquet(path) else CsvReader(path)


def _writer(path: Path, temporary: Path) -> Writer:
    return _parquet(path).ParquetWriter(temporary) if is_parquet(path) else CsvWriter(temporary)


def _parquet(path: Path) -> Any:
    if not find_spec("pyarrow"):
        raise TableError(
            f"{path} is Parquet, which needs pyarrow, and that is not installed here: "
            "pip install --require-hashes -r requirements/bulk.txt."
        )
    from service.batch import parquet_file  # noqa: PLC0415  pyarrow is optional

    return parquet_file


def _require_three_files(source: Path, output: Path, side: Path) -> None:
    if len({source.resolve(), output.resolve(), side.resolve()}) < 3:
        raise TableError("IN, OUT and the file of the rejected rows must be three files.")
    if not source.is_file():
        raise TableError(f"{source} is no file: expected a CSV or Parquet file, or a folder.")
    if output.is_dir():
        raise TableError(f"{output} is a folder and {source} is a file: name a file.")
    if not output.absolute().parent.is_dir():
        raise TableError(f"there is no folder {output.parent} to write {output.name} into.")


if __name__ == "__main__":
    sys.exit(main())
