"""What a schema refuses: where it is, and what came instead, as much of it as fits an error."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from service.codecs.json_parts import LongArray, require_light
from service.errors import Fault, InvalidInput, MalformedBody

SHOWN = 60  # characters of a wrong value that are repeated back
MAX_FAULTS = 10  # faults told at once
MAX_LISTED = 1000  # errors that pydantic is asked to list; a million would take it ten seconds

Valid = TypeVar("Valid")


def validated(
    validate: Callable[[bytes], Valid], text: bytes, fault: Callable[[Any, Any], Fault], hint: str
) -> Valid:
    """What pydantic's `validate` makes of JSON.

    Raises MalformedBody that ends with the hint for what is no JSON, and InvalidInput with what
    `fault` makes of each of pydantic's errors and of the whole as Python has it.
    """
    require_light(text)
    try:
        return validate(text)
    except ValidationError as error:
        details = listed(error)
    if details[0]["type"] == "json_invalid":
        raise MalformedBody(f"The body is not JSON: {details[0]['ctx']['error']}{hint}")
    found = from_json(text)
    raise InvalidInput([fault(detail, found) for detail in details])


def listed(error: ValidationError) -> list[Any]:
    """The first errors of a validation; raises InvalidInput with one fault for very many.

    Pydantic lists all or none, each with a copy of its place. What came is left out, for it would
    be copied for each of them.
    """
    count = error.error_count()
    if count > MAX_LISTED:
        raise InvalidInput([Fault("body", "what its schema allows", f"{count} wrong fields")])
    return error.errors(include_url=False, include_input=False)[:MAX_FAULTS]


def path(location: Sequence[str | int]) -> str:
    """(3, "width") as [3].width; the whole body is `body`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part[:SHOWN]}" for part in location]
    return "".join(parts).removeprefix(".") or "body"


def received(detail: Any, body: Any) -> str:
    """What came at the place of one of pydantic's errors, in the body as Python has it.

    The last steps to a place may be pydantic's own, as the types of a union.
    """
    if detail["type"] == "missing":
        return "nothing"
    with suppress(KeyError, IndexError, TypeError):
        for step in detail["loc"]:
            body = body[step]
    return shown(body)


def shown(value: Any) -> str:
    """A wrong value, as much of it as fits an error."""
    characters = ""
    for piece in _pieces(value.item() if isinstance(value, np.generic) else value):
        characters += piece
        if len(characters) > SHOWN:
            return shortened(characters)
    return characters


def shortened(text: str) -> str:
    """As much of a wrong value as is repeated back."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _pieces(value: Any) -> Iterator[str]:
    """The JSON of a value piece by piece, for who needs only the first of a large one."""
    if isinstance(value, LongArray):
        yield value.beginning(SHOWN + 1)
    elif isinstance(value, str):
        yield json.dumps(value[: SHOWN + 1])
    elif isinstance(value, list):
        yield "["
        for place, item in enumerate(value):
            yield ", " if place else ""
            yield from _pieces(item)
        yield "]"
    elif isinstance(value, dict):
        yield "{"
        for place, (name, item) in enumerate(value.items()):
            yield ", " if place else ""
            yield from _pieces(name)
            yield ": "
            yield from _pieces(item)
        yield "}"
    else:
        yield json.dumps(value)
