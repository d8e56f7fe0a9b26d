"""Formats: how many rows come in and their answers go out, beside JSON. No HTTP here.

    text/csv                              a header line that names the inputs, then numbers
    application/vnd.apache.arrow.stream   record batches whose columns are the inputs

Both ask for what the columns of JSON ask for, and name a wrong cell as those do: `width[17]`
is the width of the eighteenth row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from service.codecs import text_csv
from service.serving.accepted import Accepted
from service.serving.dataplane import Prediction
from service.serving.engines import Rows

CSV = "text/csv"
ARROW = "application/vnd.apache.arrow.stream"
INSTALL = (
    f"{ARROW} needs pyarrow, which is not installed here: "
    "pip install --require-hashes -r requirements/bulk.txt."
)


@dataclass(frozen=True)
class Format:
    """One format.

    `decode` takes a body, what is accepted and the most rows allowed; it raises
    MalformedBody for bytes that are not the format, InvalidInput for values that are wrong.
    """

    content_type: str
    decode: Callable[[bytes, Accepted, int], Rows]
    encode: Callable[[Prediction], bytes]


@cache
def find(media_type: str) -> Format | None:
    """The format of a media type; None for one that is not supported, or not installed."""
    if media_type == CSV:
        return Format("text/csv; charset=utf-8", text_csv.decode, text_csv.encode)
    if media_type == ARROW and find_spec("pyarrow"):
        from service.codecs import arrow_stream  # noqa: PLC0415  40 MB that few need

        return Format(ARROW, arrow_stream.decode, arrow_stream.encode)
    return None
