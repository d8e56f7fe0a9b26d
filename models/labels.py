"""labels.json: where the labels of a model are, and which share of the requests they take.

{"stable": 2}
{"stable": 2, "canary": {"version": 3, "percent": 5}}
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

STABLE = "stable"
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")  # of a model or a label
LARGEST = 65_536  # bytes of a file: it is read at every look
MOST = 100  # labels of a model: even with the longest names they fit into that


class Place(NamedTuple):
    """Where a label is: its version, and the percent of the requests that it takes."""

    version: int
    percent: float | None = None

    def __str__(self) -> str:
        share = "" if self.percent is None else f", for {self.percent:g} % of the requests"
        return f"version {self.version}{share}"


Version = Annotated[int, Field(strict=True, ge=1, le=999_999_999)]  # what a folder may be called


class Shared(BaseModel):
    """A label with a share, as the file holds it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: Version
    percent: float


Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
WRITTEN = TypeAdapter(dict[Name, Version | Shared])


def parse(content: bytes) -> dict[str, Place]:
    """The place of each label; raises ValueError with where it is wrong, not with what it holds."""
    try:
        written = WRITTEN.validate_json(content)
    except ValidationError as error:
        raise ValueError(
            "expected labels with a version each, some with a share, as in "
            f'{{"stable": 2, "canary": {{"version": 3, "percent": 5}}}}; {_fault(error, content)}.'
        ) from error
    places = {label: _place(value) for label, value in written.items()}
    if STABLE not in places:
        raise ValueError(f"expected a version for '{STABLE}' among the labels.")
    _check(places)
    return places


def render(places: Mapping[str, Place]) -> str:
    """The text of labels.json; raises ValueError for what `parse` would not take."""
    _check(places)
    return json.dumps({label: _written(place) for label, place in places.items()}) + "\n"


def _fault(error: ValidationError, content: bytes) -> str:
    """Where labels.json is wrong: a line and a column, or which of its labels."""
    first = error.errors(include_url=False, include_input=False)[0]
    if not first["loc"]:
        return str(first["msg"])
    number = [*json.loads(content)].index(first["loc"][0]) + 1
    return f"number {number} of its labels is no such one"


def _check(places: Mapping[str, Place]) -> None:
    if len(places) > MOST:
        raise ValueError(
            f"A model has at most {MOST} labels, and these are {len(places)}: take one away with "
            "'python -m models unlabel'."
        )
    shares = {label: at.percent for label, at in places.items() if at.percent is not None}
    if STABLE in shares:
        raise ValueError(f"'{STABLE}' takes what the other labels leave: give it no percent.")
    for label, percent in shares.items():
        if not 0 < percent <= 100:
            raise ValueError(
                f"'{label}' can take more than 0 and at most 100 percent of the requests, "
                f"received {percent:g}; 'python -m models unlabel' takes a label away."
            )
    if sum(shares.values()) > 100:
        told = ", ".join(f"{label} {percent:g}" for label, percent in shares.items())
        raise ValueError(f"The labels would take more than 100 percent together: {told}.")


def _place(value: int | Shared) -> Place:
    return Place(value.version, value.percent) if isinstance(value, Shared) else Place(value)


def _written(place: Place) -> int | dict[str, float]:
    if place.percent is None:
        return place.version
    return {"version": place.version, "percent": place.percent}
