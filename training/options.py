"""Options that several commands of training take, and what they are made of."""

import argparse
from pathlib import Path

from models.manifest import LARGEST, Manifest
from models.numbers import SHOWN, decimal
from models.publish import Sign
from models.registry import usual


def add_publishing(parser: argparse.ArgumentParser) -> None:
    """How columns are called and bounded, and how a version is published."""
    add = parser.add_argument
    add(
        "--column",
        type=pair,
        action="append",
        default=[],
        metavar="INPUT=COLUMN",
        help="what an input is called in the data; may be repeated",
    )
    add(
        "--accept",
        type=bounds,
        action="append",
        default=[],
        metavar="INPUT=LOW:HIGH",
        help="what is answered of an input, default: any float32; may be repeated",
    )
    add("--coverage", type=share, default=0.9, help="share of truths in the interval, default 0.9")
    add("--registry", type=Path, default=usual(), metavar="DIR", help="$REGISTRY, else models/")
    add("--sign", type=Path, metavar="PEM", help="sign the version with this private ECDSA key")
    add("--force-label", action="store_true", help="make it stable even if it is worse")


def pair(text: str) -> tuple[str, str]:
    """An input and its column in the data, as argparse takes it."""
    name, equals, column = text.partition("=")
    if not (name and equals and column):
        raise argparse.ArgumentTypeError(f"expected INPUT=COLUMN as in area=m2; got {text!r}")
    return name, column


def bounds(text: str) -> tuple[str, tuple[float, float]]:
    """An input and what is accepted of it, as argparse takes it."""
    name, equals, span = text.partition("=")
    low, _, high = span.partition(":")
    least, most = (decimal(each, -LARGEST, LARGEST) for each in (low, high))
    if not (name and equals) or least is None or most is None or not least < most:
        raise argparse.ArgumentTypeError(
            f"expected INPUT=LOW:HIGH as in area=0:1000; got {text[:SHOWN]!r}"
        )
    return name, (least, most)


def share(text: str) -> float:
    """A share between 0 and 1, as argparse takes it."""
    found = decimal(text) or 0.0
    if not 0 < found < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1; got {text[:SHOWN]!r}")
    return found


def signer_of(key: Path | None) -> Sign | None:
    """What signs with a private key in PEM, if there is one; raises as `models.signing` does."""
    if key is None:
        return None
    from models.signing import signer  # noqa: PLC0415  only for those who sign

    return signer(key)


def held_back(manifest: Manifest, why: str) -> str:
    """That a version was published and not promoted, and the ways to promote it all the same."""
    return (
        f"stable stays where it is: {why}; --force-label moves it all the same, and so does "
        f"'python -m models label {manifest.model} stable {manifest.version}'."
    )
