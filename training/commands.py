"""Fit a model of a table and publish it.

python -m training                                    the cereals' default model
python -m training all                                all four, each compared with the others
python -m training evaluate                           the comparison alone, nothing published
python -m training --architecture linear-unit         one unit, of one input
python -m training --data houses.csv --target price --unit kUSD
python -m training --data houses.toml                 the same, as the table's card has it
python -m training drift FOLDER                       is what is asked what was trained on?
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
from pydantic import ValidationError
from rich.console import Console

from models.labels import NAME
from models.manifest import INPUT_NAME, MOST_INPUTS, MOST_LAYERS, TAKEN, fault
from models.numbers import SHOWN, whole, whole_argument
from models.registry import Registry, RegistryError, checked
from training import console as show
from training.architectures import ARCHITECTURES, Architecture
from training.card import Changes, shipped
from training.columns import listed
from training.dataset import Dataset
from training.exit_codes import HELD_BACK
from training.export import ExportError
from training.options import add_publishing, signer_of
from training.publish import publish_trained
from training.tables import DataError
from training.train import Config, Trained, prepare, train_all, train_on


def main(arguments: Sequence[str] | None = None) -> int:
    """Train and publish; returns 0, HELD_BACK, or 1 with a sentence on standard error."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.model and options.command != "one":
        parser.error(f"--model: {options.command} has a name for each model; leave it out")
    config = Config(
        architecture=_architecture(parser, options),
        data=options.data,
        changes=Changes(
            target=options.target,
            unit=options.unit,
            inputs=options.inputs,
            columns=dict(options.column),
            accept=dict(options.accept),
            missing=options.missing,
        ),
        hidden=options.hidden,
        activation=options.activation,
        seed=options.seed,
        coverage=options.coverage,
    )
    try:
        signer_of(options.sign)  # a key that cannot be read is told before the training
        return COMMANDS[options.command](config, options, Console())
    except (DataError, ExportError, RegistryError, OSError) as error:
        print(f"training: {error}", file=sys.stderr)
    except ValidationError as error:  # as of a target so large that its squares are infinite
        print(f"training: This cannot be published: {fault(error)}.", file=sys.stderr)
    return 1


def _one(config: Config, options: argparse.Namespace, console: Console) -> int:
    """Train one architecture and publish it."""
    if options.model:
        checked(options.model)  # a wrong name is told before the table is read
    architecture, data = prepare(config)
    model = options.model or checked(model_of(architecture, data, Registry(options.registry)))
    with show.progress(console, options.tensorboard) as watch:
        trained = train_on(data, architecture, config, watch)
    show.tell_data(console, trained)
    show.tell_comparison(console, trained)
    return _publish(trained, model, options, console)


def _all(config: Config, options: argparse.Namespace, console: Console) -> int:
    """Train all architectures and publish each under its own name."""
    if config.data not in shipped():
        raise DataError(
            f"all: trains the models of a table that ships ({', '.join(shipped())}); leave 'all' "
            "out for another table."
        )
    everything = _compared(config, console)
    return max(_publish(it, it.architecture.model, options, console) for it in everything)


def _evaluate(config: Config, _: argparse.Namespace, console: Console) -> int:
    """Print the comparison."""
    _compared(config, console)
    return 0


def _compared(config: Config, console: Console) -> Sequence[Trained]:
    everything = train_all(config)
    show.tell_data(console, everything[-1])
    show.tell_comparison(console, everything[-1])
    for trained in everything:
        show.tell_intervals(console, trained)
        show.tell_card(console, trained)
    return everything


def _publish(trained: Trained, model: str, options: argparse.Namespace, console: Console) -> int:
    show.tell_weights(console, trained)
    show.tell_interval(console, trained)
    registry = Registry(options.registry)
    published = publish_trained(
        trained, registry, model, force_label=options.force_label, sign=signer_of(options.sign)
    )
    folder = registry.folder(model, published.manifest.version)
    show.tell_published(console, trained, published, folder)
    return HELD_BACK if published.verdict.refusal else 0


COMMANDS = {"one": _one, "all": _all, "evaluate": _evaluate}


def model_of(architecture: Architecture, data: Dataset, registry: Registry) -> str:
    """The name to publish under: the architecture's for a table that ships, else the table's own.

    `Boston houses.csv` becomes boston-houses; a file whose name holds no letters, its target.
    Raises DataError when that is a model of other columns.
    """
    if data.source in shipped():
        return architecture.model
    texts = (data.model, Path(data.source).stem, data.output.name, "table")
    names = (re.sub("[^a-z0-9_]+", "-", text.lower()).strip("-_")[:63] for text in texts)
    model = next(name for name in names if NAME.fullmatch(name))
    if versions := registry.versions(model):
        there = registry.manifest(model, versions[-1])
        if (there.output.name, {*there.input_names}) != (data.output.name, {*data.inputs}):
            raise DataError(
                f"the model {model} is there already, and is of other columns: "
                f"{there.output.name} from {listed(there.input_names)}. Name yours with --model."
            )
    return model


def _architecture(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> Architecture | None:
    """The named architecture, if one is named; tells what cannot be changed in it."""
    chosen = ARCHITECTURES[options.architecture] if options.architecture else None
    if chosen and chosen.hidden == () and options.hidden:
        parser.error(f"--hidden: {chosen.name} has no hidden layers; use --architecture deep")
    try:
        keras.activations.get(options.activation or "relu")
    except ValueError:
        parser.error(f"--activation: Keras has no activation '{options.activation}'")
    return chosen


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    plain = all(re.fullmatch(INPUT_NAME, name) for name in names)
    if not plain or not len(names) == len(set(names)) <= MOST_INPUTS:
        raise argparse.ArgumentTypeError(
            "expected different names of letters, digits and '_' with commas between them, at most "
            f"{MOST_INPUTS}, as in area,floor; got {text!r}"
        )
    if taken := TAKEN.intersection(names):
        raise argparse.ArgumentTypeError(
            f"{', '.join(sorted(taken))} cannot be an input's name: the answer uses it; "
            "map it with --column INPUT=COLUMN"
        )
    return names


def _widths(text: str) -> tuple[int, ...]:
    widths = tuple(whole(width.strip(" "), 1024, 1) or 0 for width in text.split(","))
    if 0 in widths or len(widths) > MOST_LAYERS:
        raise argparse.ArgumentTypeError(
            f"expected widths from 1 to 1024 as in 4,3, at most {MOST_LAYERS}; got {text[:SHOWN]!r}"
        )
    return widths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("command", nargs="?", choices=COMMANDS, default="one", help=argparse.SUPPRESS)
    add(
        "--architecture",
        choices=ARCHITECTURES,
        help="default: the card's, else a network of the table's size",
    )
    add(
        "--inputs",
        type=_names,
        default=(),
        metavar="A,B",
        help="default: the card's, else every column of numbers but the target",
    )
    add("--hidden", type=_widths, default=(), metavar="N,N", help="widths of the hidden layers")
    add("--activation", default="", help="any of Keras's, default: relu")
    add(
        "--data",
        default="cereals",
        metavar="FILE",
        help=f"{', '.join(shipped())}; or a CSV or Parquet file, or its card, a TOML file",
    )
    add("--target", default="", metavar="COLUMN", help="to predict; default: the card's")
    add("--unit", default="", help="of the target; default: the card's")
    add(
        "--missing",
        choices=("drop", "mean"),
        help="a row that lacks an input is left out (drop, the default) or gets the input's mean",
    )
    add("--seed", type=whole_argument(0, 2**32 - 1), default=0, help="default: 0")
    add("--model", metavar="NAME", help="the name to publish under")
    add_publishing(parser)
    add("--tensorboard", type=Path, metavar="DIR", help="write TensorBoard logs there")
    return parser
