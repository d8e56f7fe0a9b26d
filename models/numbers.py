"""Numbers written by somebody else: one reader for headers, paths, queries and command lines.

int() and float() also take 1_000, ٣, NaN and a number between spaces, and fail on five thousand
digits. Here a number is what it is everywhere else: digits of ASCII.
"""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from math import inf, isfinite

SHOWN = 40  # characters of what is no number
DIGITS = re.compile(r"[0-9]+")
# Read in one pass: of many digits none may belong to two parts.
DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def whole(text: str, most: int, least: int = 0) -> int | None:
    """The whole number from `least` (0 or more) to `most` that `text` is; None for anything else.

    Leading zeros are read over, as in HTTP; a sign is none of the digits.
    """
    if not DIGITS.fullmatch(text):
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if least <= number <= most else None


def decimal(text: str, least: float = -inf, most: float = inf) -> float | None:
    """The finite number from `least` to `most` that `text` is, as in -1.5e3; None for others."""
    number = float(text) if DECIMAL.fullmatch(text) else inf
    return number if isfinite(number) and least <= number <= most else None


def whole_argument(least: int, most: int) -> Callable[[str], int]:
    """What argparse takes as the `type` of a whole number from `least` to `most`."""

    def read(text: str) -> int:
        number = whole(text, most, least)
        if number is None:
            expected = f"a whole number from {least} to {most}"
            raise ArgumentTypeError(f"expected {expected}; got {text[:SHOWN]!r}")
        return number

    return read


def decimal_argument(least: float = -inf, most: float = inf) -> Callable[[str], float]:
    """What argparse takes as the `type` of a finite number from `least` to `most`."""
    bounds = [f"at least {least:g}"] * (least > -inf) + [f"at most {most:g}"] * (most < inf)
    expected = f"a number {' and '.join(bounds)}".rstrip()

    def read(text: str) -> float:
        number = decimal(text, least, most)
        if number is None:
            raise ArgumentTypeError(f"expected {expected}; got {text[:SHOWN]!r}")
        return number

    return read
