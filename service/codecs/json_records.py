"""Rows of JSON from columns, for the dialects that answer so."""

from collections.abc import Mapping
from typing import Any

import orjson
from numpy.typing import NDArray


def records(columns: Mapping[str, NDArray[Any]]) -> bytes:
    """The columns, [n] each with n > 0, as a JSON array of n objects.

    orjson writes a whole column at once, and the texts are interleaved: a fifth of the time
    of making n dictionaries.
    """
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
