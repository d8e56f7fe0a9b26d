"""The command line of service.batch."""

import argparse
import os
from pathlib import Path

from models.labels import STABLE
from models.numbers import whole_argument
from models.registry import LAST_VERSION, usual
from service.settings import Settings


def parser(description: str | None) -> argparse.ArgumentParser:
    """What IN, OUT and the options are."""
    made = argparse.ArgumentParser(
        prog="python -m service.batch",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("input", type=Path, metavar="IN", help="CSV, Parquet by its name (.parquet, .pq), a folder")
    add("output", type=Path, metavar="OUT", help="CSV or Parquet; a folder where IN is one")
    add(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="score a folder with Ray Data: on all cores here, or on the cluster at ADDRESS",
    )
    usual_model = os.environ.get("DEFAULT_MODEL") or Settings.model_fields["default_model"].default
    add("--model", default=usual_model, help="default: $DEFAULT_MODEL, else %(default)s")
    version = made.add_mutually_exclusive_group()
    version.add_argument(
        "--version", type=whole_argument(1, LAST_VERSION), help="default: the labelled one"
    )
    version.add_argument("--label", default=STABLE, help="default: stable")
    add("--registry", type=Path, default=usual(), metavar="DIR", help="$REGISTRY, else models/")
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
    return made


def _pair(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise argparse.ArgumentTypeError(f"expected INPUT=COLUMN; got {text!r}")
    return name, column


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
