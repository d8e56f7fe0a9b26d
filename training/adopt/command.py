"""python -m training adopt PATH --model NAME: serve a SavedModel or a .keras file made elsewhere.

It is looked at before it is loaded, asked, compiled into a twin that is compared with it, and
published with a manifest. Its files stay as they are, and its TensorFlow Serving clients too.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console

from models.manifest import TWIN, Manifest
from models.registry import Registry, RegistryError, checked
from training.adopt import NotAdopted
from training.adopt.adopt import Adopted, Wanted, adopt
from training.exit_codes import HELD_BACK
from training.options import add_publishing, held_back, signer_of
from training.tables import DataError


def main(arguments: Sequence[str]) -> int:
    """Adopt, and tell; returns 0, HELD_BACK, or 1 with a sentence on standard error."""
    options = _parser().parse_args(arguments)
    registry = Registry(options.registry)
    wanted = Wanted(
        path=options.path,
        model=options.model,
        inputs=tuple(options.inputs.split(",")) if options.inputs else (),
        signature=options.signature,
        target=options.target,
        unit=options.unit,
        accept=dict(options.accept),
        data=options.data,
        columns=dict(options.column),
        coverage=options.coverage,
    )
    try:
        checked(wanted.model)
        adopted = adopt(
            wanted, registry, force_label=options.force_label, sign=signer_of(options.sign)
        )
    except (NotAdopted, DataError, RegistryError, OSError) as error:
        print(f"adopt: {error}", file=sys.stderr)
        return 1
    tell(Console(), adopted, registry)
    return HELD_BACK if adopted.held_back else 0


def tell(console: Console, adopted: Adopted, registry: Registry) -> None:
    """What was found, in the order in which its columns have to come."""
    manifest = adopted.manifest
    assert manifest.signature  # noqa: S101  it was made here
    card = manifest.signature
    folder = registry.folder(manifest.model, manifest.version)
    twin = f"within {adopted.difference:.0e} of the largest answer"
    lines = [
        *(f"passed over: {name}" for name in adopted.passed_over[:3]),
        f"signature {', '.join(map(repr, (card.name, *card.aliases)))}",
        f"inputs, in this order: {', '.join(manifest.input_names)}",
        f"output: {manifest.output.name}",
        f"twin: {card.no_twin or twin}",
        *_measured(manifest),
        f"published {manifest.model} version {manifest.version} in {folder}",
    ]
    if TWIN not in manifest.files:
        lines.append("it needs TensorFlow where it is served: make serve ENGINE=saved_model")
    if adopted.held_back:
        lines.append(held_back(manifest, adopted.held_back))
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _measured(manifest: Manifest) -> Iterator[str]:
    """What the data said, if there were some."""
    if manifest.interval and manifest.evaluation:
        baselines = manifest.evaluation.baselines.items()
        others = ", ".join(f"{name} {each.mean_absolute_error:.4g}" for name, each in baselines)
        score = manifest.evaluation.model.mean_absolute_error
        yield f"mean absolute error {score:.4g} on rows that were given; {others}"
        interval = manifest.interval
        yield f"{interval.coverage:.0%} interval: ±{interval.half_width:.4g}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training adopt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a SavedModel's folder, or a .keras file")
    add("--model", required=True, metavar="NAME", help="the name to publish under")
    add(
        "--inputs", default="", metavar="A,B", help="the inputs' names, in the order of its columns"
    )
    add("--signature", metavar="NAME", help="default: serving_default, or the only one")
    add("--target", default="", metavar="NAME", help="what the answer is called")
    add("--unit", default="", metavar="UNIT", help="of the answer, as in kUSD")
    add("--data", default="", metavar="FILE", help="rows that it was not trained on, to measure it")
    add_publishing(parser)
    return parser
