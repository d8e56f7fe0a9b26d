"""Requests of the native dialect: which version is meant, the rows, and how to answer.

    {"width": 5, "height": 1}             one row
    [{"width": 5, "height": 1}, ...]      rows
    {"width": [5], "height": [1]}         columns

Columns also come as CSV and as Arrow streams: Content-Type says what came.
"""

from typing import Any
from urllib.parse import parse_qsl

from models.numbers import whole
from models.registry import LAST_VERSION
from service.api.answers import JSON, require_plain
from service.codecs import formats
from service.codecs.json_rows import Form, schema
from service.codecs.media_types import media_type, preferred
from service.errors import Fault, InvalidInput, NotAcceptable, UnsupportedMediaType
from service.exchange import Request
from service.serving.accepted import Accepted
from service.serving.engines import Rows

MEDIA_TYPES = (JSON, formats.CSV, formats.ARROW)


def given_type(request: Request) -> str:
    """The media type of a body; raises UnsupportedMediaType for one that is not supported."""
    require_plain(request)
    content_type = request.header("content-type")
    given = media_type(content_type)
    if given == formats.ARROW and not formats.find(given):
        raise UnsupportedMediaType(formats.INSTALL)
    if given not in MEDIA_TYPES:
        raise UnsupportedMediaType(
            f"expected content type {', '.join(MEDIA_TYPES)}, received {content_type or 'none'!r}; "
            f"send for example the header 'content-type: {JSON}'."
        )
    return given


def wanted_type(accept: str, given: str) -> str:
    """The media type of the answer: that of the request where Accept likes others no better.

    JSON asked in JSON is never refused: much that sends it names some other type by habit.
    """
    others = [each for each in MEDIA_TYPES if each == JSON or formats.find(each)]
    wanted = preferred(accept, [given, *others])
    if wanted is None and given == JSON:
        return given
    if wanted is None:
        raise NotAcceptable(f"expected Accept to name {', '.join(others)} or */*, got {accept!r}.")
    return wanted


def rows(given: str, body: bytes, accepted: Accepted, max_rows: int) -> tuple[Rows, Form]:
    """The rows of a body of a media type, and the form in which they came."""
    if given == JSON:
        return schema(accepted, max_rows).read(body)
    found = formats.find(given)
    assert found  # noqa: S101  given_type took it
    return found.decode(body, accepted, max_rows), "columns"


def choice(query: str) -> dict[str, Any]:
    """`model`, `version` and `label` of a query string, for `answers.choose`.

    Raises InvalidInput for any other name (a mistyped one would be answered by the wrong
    model), a name given twice, a version that is no number, and a version with a label.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    chosen: dict[str, Any] = {}
    faults = []
    for name, value in pairs:
        if name not in {"model", "version", "label"}:
            faults.append(Fault(f"?{name}", "model, version or label", "another name"))
        elif name in chosen:
            faults.append(Fault(f"?{name}", "one value", "several"))
        elif name == "version" and whole(value, LAST_VERSION) is None:
            faults.append(Fault("?version", "a positive whole number", value))
        elif not value:
            faults.append(Fault(f"?{name}", "a value", "nothing"))
        chosen[name] = value
    if "version" in chosen and "label" in chosen:
        faults.append(Fault("?version", "either a version or a label", "both"))
    if faults:
        raise InvalidInput(faults)
    if "version" in chosen:
        chosen["version"] = whole(chosen["version"], LAST_VERSION)
    return chosen
