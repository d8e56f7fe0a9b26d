"""Rows of JSON from columns, for the dialects that answer so."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from numpy.typing import NDArray

BLOCK = 4096  # rows whose text is in many pieces at a time


def blocks(rows: int) -> Iterator[slice]:
    """All of so many rows, a block after another."""
    return (slice(at, at + BLOCK) for at in range(0, rows, BLOCK))


def in_blocks(rows: int, write: Callable[[slice], bytes]) -> bytes:
    """One JSON array of the arrays that `write` makes of the blocks."""
    return b"[" + b",".join([write(block)[1:-1] for block in blocks(rows)]) + b"]"


def records(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """The columns, [n] each with n > 0, as a JSON array of n objects.

    orjson writes a whole column at once, and the texts are interleaved: a fifth of the time
    of making n dictionaries.
    """
    rows = len(next(iter(columns.values())))
    return in_blocks(rows, lambda block: _records({n: c[block] for n, c in columns.items()}))


def _records(columns: Mapping[str, NDArray[Any]]) -> bytes:
    texts = [
        orjson.dumps(column, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
        for column in columns.values()
    ]
    width, rows = 2 * len(columns), len(texts[0])
    cells = [b""] * (width * rows)
    for place, (name, text) in enumerate(zip(columns, texts, strict=True)):
        opening = b"," if place else b"},{"
        cells[2 * place :: width] = [opening + orjson.dumps(name) + b":"] * rows
        cells[2 * place + 1 :: width] = text
    cells[0] = cells[0].removeprefix(b"},")
    return b"[" + b"".join(cells) + b"}]"
