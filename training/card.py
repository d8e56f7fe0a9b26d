"""The card of a table: a small TOML file beside the data that says what its columns are.

    file = "houses.csv"                      # beside the card; by default its own name
    source = "Sales of the city, 2024"
    year = 2024

    [target]
    name = "price"
    unit = "kUSD"

    [inputs.area]
    column = "Living area (m2)"              # by default the input's name
    unit = "m²"
    description = "Of all rooms that are heated."
    accept = [0, 2000]
    words.zh = { name = "面积", unit = "平方米" }

All of it may be left out, and options say the same. A table without a card has an empty one.
"""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError

from models.manifest import (
    MOST_INPUTS,
    TAKEN,
    TAKEN_BESIDE,
    Card,
    InputName,
    Language,
    Number,
    Text,
    Words,
)
from training.tables import DataError

Missing = Literal["drop", "mean"]
Bounds = tuple[Number, Number]

SHIPPED = Path(__file__).parent / "data"
SUFFIX = ".toml"


def _rising(bounds: Bounds) -> Bounds:
    if not bounds[0] < bounds[1]:
        raise ValueError(f"expected the lower bound first, received {bounds[0]:g}, {bounds[1]:g}")
    return bounds


class ColumnCard(Card):
    """A column of the table."""

    column: Text = ""
    unit: Text = ""
    description: Text = ""
    words: dict[Language, Words] = Field({})


class InputCard(ColumnCard):
    """A column that the model is asked with; `accept` bounds what is answered.

    `example` is what a row that shows the model has of it; by default the median.
    """

    accept: Annotated[Bounds, AfterValidator(_rising)] | None = None
    example: Number | None = None


class TargetCard(ColumnCard):
    """The column to predict."""

    name: InputName


class TableCard(Card):
    """A table: where it is from, and what its columns are.

    `architecture` is the one that is trained when none is named. `rows` is the column that names
    the rows. `missing` says what becomes of a row that lacks an input: it is left out, or the
    input's mean takes the place. A row that lacks the target is always left out.
    """

    file: Text = ""
    source: Text = ""
    year: Annotated[int, Field(ge=1, le=9999)] | None = None
    intended_use: Text = ""
    not_for: Text = ""
    model: Text = ""
    architecture: Text = ""
    rows: Text = "name"
    missing: Missing = "drop"
    target: TargetCard | None = None
    inputs: Annotated[dict[InputName, InputCard], Field(max_length=MOST_INPUTS)] = Field({})


@dataclass(frozen=True)
class Changes:
    """What the options say otherwise than the card. Empty: as the card has it."""

    target: str = ""
    unit: str = ""
    inputs: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    accept: Mapping[str, Bounds] = field(default_factory=dict)
    missing: Missing | None = None


@dataclass(frozen=True)
class Found:
    """A card, what it is called, and the file that it describes."""

    name: str
    card: TableCard
    path: Path


def shipped() -> Sequence[str]:
    """The names of the cards that ship."""
    return sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}"))


def find(source: str) -> Found:
    """The card of a name that ships, of a card's path, or of a CSV or Parquet file.

    Beside `houses.csv` the card is `houses.toml`. Raises DataError.
    """
    if source in shipped():
        path = SHIPPED / f"{source}{SUFFIX}"
        card = read(path)
        return Found(source, card, SHIPPED / card.file)
    path = Path(source)
    if path.suffix != SUFFIX:
        beside = path.with_suffix(SUFFIX)
        return Found(path.name, read(beside) if beside.is_file() else TableCard(), path)
    card = read(path)
    if card.file:
        return Found(path.name, card, path.parent / card.file)
    for suffix in (".csv", ".parquet", ".tsv", ".pq"):
        if path.with_suffix(suffix).is_file():
            return Found(path.name, card, path.with_suffix(suffix))
    raise DataError(
        f'{path} does not say which file it describes: add file = "NAME.csv", or put '
        f"{path.stem}.csv beside it."
    )


def read(path: Path) -> TableCard:
    """The card in a file; raises DataError with the first place that is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        card = TableCard.model_validate_json(json.dumps(content, default=str), strict=True)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no card in TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: {place}: {said}; see docs/how-to/any-table.md.") from error
    if taken := (TAKEN.intersection(card.inputs)):
        raise DataError(
            f"{path}: inputs.{min(taken)}: an answer has that name already; call the input "
            f'otherwise, with column = "{min(taken)}".'
        )
    if card.target and card.target.name in (*TAKEN, *TAKEN_BESIDE, *card.inputs):
        raise DataError(
            f"{path}: target.name: an answer has the name {card.target.name} already; call the "
            f'target otherwise, with column = "{card.target.name}".'
        )
    return card
