"""A quicker way in for what is right: simdjson reads many numbers without an object for each.

Pydantic stays the authority. What is taken here it would take too, as the same numbers, which
a Hypothesis test holds; what is not taken here is None, and pydantic decides and words it.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from simdjson import Parser

from service.codecs.values import all_right, right
from service.serving.accepted import Accepted, Bounds
from service.serving.engines import Rows

# What simdjson and NumPy raise on a body that is not as it must be.
Unfit = (TypeError, ValueError, KeyError, AttributeError, RuntimeError)

NUMBER = b"0123456789.-"  # the bytes of one, but of an exponent
DIGIT, COLON = 1, 2
KINDS = bytes(DIGIT if each in NUMBER else COLON if each == ord(":") else 0 for each in range(256))


def rows(body: bytes, accepted: Accepted, max_rows: int) -> Rows | None:
    """An array of objects with the inputs: float32 [n, k].

    Each with its inputs in their order, spelled as most clients do. Without its numbers such a body
    is the same object again and again, and a number stands nowhere but behind a name.
    """
    inputs = accepted.names
    rest = body.translate(None, NUMBER)
    for spelling in _spellings(inputs):
        count = -(-(len(rest) - 2) // len(spelling.item))
        items = (spelling.item * count).removesuffix(spelling.comma)
        if 0 < count <= max_rows and rest == b"[" + items + b"]":
            break
    else:
        return None
    if not _behind_colons(body, count * len(inputs), spelling.behind):
        return None
    found = _parsed(body.translate(None, spelling.others))
    if found is None or len(found) != count * len(inputs):
        return None
    found = found.reshape(count, len(inputs))
    return found.astype(np.float32) if all_right(found.T, accepted) else None


def _behind_colons(body: bytes, count: int, behind: int) -> bool:
    """Whether there are so many runs of digits, and each begins so many bytes behind a colon."""
    kinds = np.frombuffer(body.translate(KINDS), np.uint8)
    begins = np.flatnonzero((kinds[1:] == DIGIT) & (kinds[:-1] != DIGIT)) + 1
    return len(begins) == count and bool((kinds[begins - behind] == COLON).all())


def columns(body: bytes, accepted: Accepted, max_rows: int) -> Rows | None:
    """An object of arrays, all of one length, one of each input: float32 [n, k]."""
    inputs = accepted.names
    # Strings are so many names, and no array is in another.
    if body.count(b'"') != 2 * len(inputs) or body.count(b"[") != len(inputs) or body[:1] != b"{":
        return None
    try:
        parsed: Any = Parser().parse(body)
        found = np.array([np.frombuffer(parsed[name].as_buffer(of_type="d")) for name in inputs])
    except Unfit:
        return None
    if found.shape[-1] > max_rows or not all_right(found, accepted):
        return None
    return np.ascontiguousarray(found.T, np.float32)


def numbers(text: bytes, bounds: Bounds) -> NDArray[np.float64] | None:
    """An array of one input: float64 [n]."""
    found = _parsed(text)
    return found if found is not None and right(found, bounds).all() else None


def _parsed(text: bytes) -> NDArray[np.float64] | None:
    """An array of numbers, if it is one: float64 [n]."""
    try:
        parsed: Any = Parser().parse(text)
        found = np.frombuffer(parsed.as_buffer(of_type="d"))
    except Unfit:
        return None
    return found if text.count(b"[") == 1 and len(found) else None


class Spelling(NamedTuple):
    """How a client writes an array of objects."""

    item: bytes  # an object without its numbers, with the comma behind it
    comma: bytes
    others: bytes  # all bytes that an array of the numbers would not have
    behind: int  # bytes from a colon to the number behind it


@lru_cache(maxsize=64)
def _spellings(inputs: tuple[str, ...]) -> list[Spelling]:
    """As JavaScript writes it, and as Python does; none where a name looks like a number."""
    found = []
    for colon, comma in ((b":", b","), (b": ", b", ")):
        names = [orjson.dumps(name) + colon for name in inputs]
        others = bytes({*b"{}", *b"".join(names)})
        if not {*others} & {*NUMBER}:
            item = b"{" + comma.join(names) + b"}" + comma
            found.append(Spelling(item, comma, others, len(colon)))
    return found
