"""python -m training drift: compare a prediction log with what a version was trained on.

Prints a table and writes drift.html. Ends with 0; with --fail, with 4 when there is drift.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from models.numbers import decimal_argument, whole_argument
from models.registry import LAST_VERSION, Registry, RegistryError, usual
from training.drift import log, page, reference
from training.drift.measure import THRESHOLD, Drift, drifts
from training.exit_codes import DRIFTED
from training.tables import DataError


def main(arguments: Sequence[str]) -> int:
    """Compare, and tell; returns 0, DRIFTED, or 1 with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        version, files = log.find(options.log, options.model, options.version)
        trained = reference.read(Registry(options.registry), options.model, version)
        asked = log.read(files, trained.manifest)
        found = drifts(trained, asked)
        options.output.write_text(page.render(asked, found, options.threshold))
    except (DataError, RegistryError, OSError) as error:
        print(f"drift: {error}", file=sys.stderr)
        return 1
    console = Console()
    console.print(_table(found, options.threshold))
    console.print(page.lead(found, options.threshold), highlight=False)
    rows = f"{len(asked.rows):,} rows asked of {asked.model} version {asked.version}"
    console.print(f"{rows}, with pictures: {options.output}", highlight=False, soft_wrap=True)
    drifted = any(each.drifted(options.threshold) for each in found)
    return DRIFTED if drifted and options.fail else 0


def _table(found: Sequence[Drift], threshold: float) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, title in enumerate(page.HEADER):
        table.add_column(title, justify="right" if number else "left", no_wrap=True)
    for each in found:
        table.add_row(*page.cells(each, threshold))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training drift",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("log", type=Path, metavar="FOLDER", help="what the service wrote for PREDICTION_LOG")
    add("--model", default="calories", metavar="NAME", help="default: calories")
    add(
        "--version",
        type=whole_argument(1, LAST_VERSION),
        metavar="N",
        help="default: the newest one in the log",
    )
    add("--registry", type=Path, default=usual(), metavar="DIR", help="$REGISTRY, else models/")
    add("--output", type=Path, default=Path("drift.html"), help="default: drift.html")
    add(
        "--threshold",
        type=decimal_argument(0),
        default=THRESHOLD,
        help=f"of the PSI, default: {THRESHOLD}",
    )
    add("--fail", action="store_true", help="end with 4 when there is drift")
    return parser
