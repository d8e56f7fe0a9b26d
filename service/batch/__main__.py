"""python -m service.batch IN OUT: score a CSV or Parquet file of any size, or a folder of Parquet.

OUT gets IN's columns and calories, lower, upper and in_range beside them. Rows that cannot be
scored go to a CSV file of their own, with their numbers and reasons. A folder becomes a folder,
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

from models.labels import STABLE
from models.registry import SHELF, RegistryError
from service import trust
from service.batch.csv_file import CsvReader, CsvWriter
from service.batch.progress import Progress
from service.batch.rejects import RejectsFile
from service.batch.score import Plan, score
from service.batch.tables import Reader, TableError, Writer, draft
from service.dataplane import ANSWERS
from service.engines import load
from service.errors import ServiceError
from service.snapshot import Loaded

PARQUET = {".parquet", ".pq"}
SOME_REJECTED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Score a file; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except (TableError, RegistryError, ServiceError, OSError) as error:
        print(f"batch: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    side = options.rejected or options.output.with_name(f"{options.output.name}.rejected.csv")
    if options.input.is_dir():
        return _run_folder(options, side)
    if options.ray:
        raise TableError(f"--ray scores a folder of Parquet files; {options.input} is none.")
    return _run_file(options, side)


def _run_folder(options: argparse.Namespace, side: Path) -> int:
    if options.input.resolve() in [options.output.resolve(), *options.output.resolve().parents]:
        raise TableError("OUT must not lie in IN, or its files would be scored as well.")
    parquet = _parquet(options.input)
    from service.batch import folder  # noqa: PLC0415  pyarrow is optional
    from service.batch.blocks import Work  # noqa: PLC0415

    source = _load(options)
    columns = _columns(options, source)
    first, *others = folder.files(options.input)
    plan = _plan(options, source, columns, parquet.column_names(first))
    for other in others:
        if parquet.column_names(other) != parquet.column_names(first):
            raise TableError(f"{other} has other columns than {first}; score them separately.")
    work = Work(
        options.input.resolve(),
        options.output.resolve(),
        options.registry.resolve(),
        source.model,
        source.version,
        columns,
        tuple(plan.keep),
        plan.prefix,
    )
    progress = Progress()
    try:
        result = folder.score_folder(work, side, _engine(options.ray), progress)
    finally:
        progress.close()
    if result.resumed:
        print(f"{result.resumed:,} blocks were there already")
    return _told(options, source, result.scored, result.rejected, side)


def _engine(address: str | None) -> Any:
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
    manifest = registry.verify(options.model, version)
    return Loaded(manifest, load(registry, manifest, "auto"))


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
    if taken := [name for name in keep if name in {options.prefix + each for each in ANSWERS}]:
        raise TableError(
            f"{options.input} has a column '{taken[0]}', as the answer will have; name the "
            "answers otherwise with --prefix predicted_, or leave it out with --keep."
        )
    return Plan(source, columns, keep, options.prefix)


def _reader(path: Path, inputs: Sequence[str]) -> Reader:
    return _parquet(path).ParquetReader(path, inputs) if _is_parquet(path) else CsvReader(path)


def _writer(path: Path, temporary: Path) -> Writer:
    return _parquet(path).ParquetWriter(temporary) if _is_parquet(path) else CsvWriter(temporary)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


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
        raise TableError(f"{source} is no file: expected a CSV or Parquet file.")


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise argparse.ArgumentTypeError(f"expected INPUT=COLUMN as in sugar=sugars; got {text!r}")
    return name, column


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.batch",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("input", type=Path, metavar="IN", help="CSV, Parquet by its name (.parquet, .pq), a folder")
    add("output", type=Path, metavar="OUT", help="CSV or Parquet; a folder where IN is one")
    add(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="score a folder with Ray Data: on all cores here, or on the cluster at ADDRESS",
    )
    add("--model", default="calories", help="default: calories")
    version = parser.add_mutually_exclusive_group()
    version.add_argument("--version", type=int, help="default: the labelled one")
    version.add_argument("--label", default=STABLE, help="default: stable")
    add("--registry", type=Path, default=SHELF, metavar="DIR", help="default: models/")
    add("--public-key", type=Path, metavar="PEM", help="score only with a version it signed")
    add(
        "--column",
        type=_pair,
        action="append",
        default=[],
        metavar="INPUT=COLUMN",
        help="what an input is called in IN; may be repeated",
    )
    add("--keep", type=_names, metavar="A,B", help="columns to carry through, default: all")
    add("--prefix", default="", help="put before the names of the answers, as in predicted_")
    add("--rejected", type=Path, metavar="FILE", help="default: OUT with .rejected.csv")
    return parser


if __name__ == "__main__":
    sys.exit(main())
