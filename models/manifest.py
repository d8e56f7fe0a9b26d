"""The manifest: the card inside a version that says what it is and what it was made from.

Whoever reads one can rely on all that is said here, for a manifest comes from outside: each number
is finite and no larger than a float32, each name is plain, each list has a bound. Training and
publishing hold what they write against the same.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from math import isclose
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from models.labels import NAME, Version

MANIFEST = "manifest.json"
SIGNATURE = "model.sig"  # OpenSSF model signing's own name for it
TWIN = "model.tflite"
REPORT = "report/index.html"
ROWS = "training.csv"  # of those it was trained on: name, inputs, output
SIGNATURES = "signatures.json"  # of a SavedModel made elsewhere, as TensorFlow Serving tells them
FEATURES = "features"  # of our own exports: a signature, and its one tensor [n, k]
BY_NAME = "serving_default"  # and one with a tensor [n] for each input

MOST_BYTES = 1_048_576  # of a manifest; one of 256 inputs with words in two languages has 150,000
MOST_FIELDS = 1000  # of an object, such as the files of a version
MOST_INPUTS = 256
MOST_LAYERS = 100
MOST_QUANTILES = 32
MOST_LANGUAGES = 32
LARGEST = 3.4028234663852886e38  # of a float32
FIRST_SCHEMA_ACCEPTS = (0.0, 1000.0)  # manifests of schema 1 were of such inputs and did not say so

INPUT_NAME = "[A-Za-z_][A-Za-z0-9_]{0,62}"
TAKEN = frozenset({FEATURES, "lower", "upper", "in_range", "model", "version"})  # by answers
TAKEN_BESIDE = frozenset(  # by answers and the prediction log, so that no output is called so
    {"predictions", "explanations", "base", "contributions", "standard_error"}
    | {"answered_at", "request_id", "inputs"}
)


def _inside(name: str) -> str:
    """A file's name, if it can only lie inside the version; raises ValueError if not."""
    path = PurePosixPath(name)
    if (
        len(name) > 255
        or path.as_posix() != name
        or path.is_absolute()
        or ".." in path.parts
        or name in (".", MANIFEST, SIGNATURE)
        or not name.isprintable()
    ):
        raise ValueError(
            "one is no file of a version: expected a path inside it, as variables/index"
        )
    return name


def _different(inputs: tuple["Input", ...]) -> tuple["Input", ...]:
    """Inputs, if an answer can tell each by its name; raises ValueError if not."""
    names = Counter(each.name for each in inputs)
    if twice := [name for name, times in names.items() if times > 1]:
        raise ValueError(f"expected different names, received {twice[0]} {names[twice[0]]} times")
    if taken := TAKEN.intersection(names):
        raise ValueError(f"expected names that the answer does not use, received {min(taken)}")
    return inputs


FileName = Annotated[str, AfterValidator(_inside)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]  # of one line
InputName = Annotated[str, Field(pattern=f"^{INPUT_NAME}$")]
TensorName = Annotated[Text, Field(min_length=1)]  # or of a signature
Level = Annotated[str, Field(pattern=r"^(0(\.[0-9]{1,16})?|1(\.0{1,16})?)$")]  # of a quantile
Language = Annotated[str, Field(pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$")]  # BCP 47
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Amount = Annotated[Number, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Numbers = Annotated[tuple[Number, ...], Field(max_length=100, fail_fast=True)]
Moment = Annotated[
    AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


class Card(BaseModel):
    """A frozen part of the manifest; an unknown field is refused, so a typo cannot hide."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Words(Card):
    """What a page calls a quantity in one language."""

    name: Text
    unit: Text = ""
    description: Text = ""


class Quantity(Card):
    """A number with a name: the key of requests and answers, its unit, and a sentence about it.

    Without `min`, `max` and `mean` nobody knows what training saw of it. The quantiles are values
    by their levels, "0.25" for one; they rise with the levels.
    """

    name: InputName
    unit: Text = ""
    description: Text = ""
    words: dict[Language, Words] = Field({}, max_length=MOST_LANGUAGES)
    min: Number | None = None
    max: Number | None = None
    mean: Number | None = None
    quantiles: dict[Level, Number] = Field({}, max_length=MOST_QUANTILES)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is None or self.max is None or self.mean is None:
            if {self.min, self.max, self.mean} != {None} or self.quantiles:
                raise ValueError("expected min, max and mean together, or none and no quantiles")
            return self
        rounded = isclose(self.mean, self.min) or isclose(self.mean, self.max)
        if not (self.min <= self.mean <= self.max or (self.min <= self.max and rounded)):
            raise ValueError(
                "expected min, mean and max in this order, "
                f"received {self.min:g}, {self.mean:g} and {self.max:g}"
            )
        levels = sorted((float(level), value) for level, value in self.quantiles.items())
        for (one, below), (other, above) in pairwise([(-1, self.min), *levels, (2, self.max)]):
            if one == other or below > above:
                raise ValueError(
                    "expected quantiles that rise from min to max, each once, "
                    f"received {below:g} and then {above:g}"
                )
        return self


class Input(Quantity):
    """One input column of the model, and what is accepted of it.

    `accept` bounds the values that are answered, both included; without it any float32 is.
    """

    dtype: Literal["float32"] = "float32"
    accept: tuple[Number, Number] | None = None

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.accept and not self.accept[0] < self.accept[1]:
            low, high = self.accept
            raise ValueError(f"expected accept to rise, received {low:g} and then {high:g}")
        return self


class Seen(NamedTuple):
    """What training saw of an input."""

    min: float
    max: float
    mean: float


class Output(Quantity):
    """What the model answers, under its name."""


class Interval(Card):
    """How `lower` and `upper` were made: `coverage` is the share of truths they aim to hold."""

    coverage: float = Field(gt=0, lt=1, allow_inf_nan=False)
    method: Text
    half_width: Amount = Field(description="in the output's unit; the mean where the width varies")
    observed: Share | None = Field(
        None, description="share of held-out truths inside intervals made the same way"
    )


class Architecture(Card):
    """The network and how it was fitted."""

    name: Text
    inputs: Annotated[tuple[InputName, ...], Field(max_length=MOST_INPUTS, fail_fast=True)]
    hidden: Annotated[tuple[Count, ...], Field(max_length=MOST_LAYERS, fail_fast=True)]
    activation: Text
    members: Count
    parameters: Count
    seed: Whole
    recipe: dict[Text, Number | Whole | Text | Numbers] = Field(max_length=100)
    libraries: dict[Text, Text] = Field(max_length=100)


class Data(Card):
    """What the model was fitted on.

    `origin` is a sentence on where the table is from, `year` that of its figures. `filled` counts
    inputs that were missing there and took their column's mean; a request must give every input
    all the same.
    """

    source: Text
    rows: Count
    left_out: Count
    sha256: Text
    origin: Text = ""
    year: Annotated[int, Field(ge=1, le=9999)] | None = None
    filled: Count = 0


class Score(Card):
    """Held-out errors in the output's unit; R2 has none."""

    mean_absolute_error: Amount
    root_mean_squared_error: Amount
    r2: Number


class Compared(Score):
    """One line of the comparison: an architecture or a baseline on the same folds.

    Both differences are 95 % intervals; with one that lies below 0 the first of the two is better.
    """

    name: Text
    difference: tuple[Number, Number] = Field(
        description="its mean absolute error minus that of least squares"
    )
    lead: tuple[Number, Number] | None = Field(
        None, description="the version's mean absolute error minus its own"
    )
    apart: Amount | None = Field(
        None, description="its mean absolute error with rows of identical inputs apart"
    )
    half_width: Amount | None = Field(description="of intervals made inside the folds")
    coverage: Share | None = Field(description="share of held-out truths inside those intervals")
    seconds: Amount = Field(description="of fitting all folds, the choice of settings included")


class Scores(Card):
    """Errors by one definition of folds; those by another cannot be held against them."""

    folds: Text
    model: Score
    baselines: dict[Text, Score] = Field(max_length=100)


class Noise(Card):
    """What rows with identical inputs tell of the noise: whatever the model, this much remains."""

    rows: Count = Field(description="that share their inputs with another")
    groups: Count = Field(description="of such rows")
    mean_absolute_error: Amount = Field(description="on these rows, of the best answer to each")
    standard_deviation: Amount = Field(description="of the output, given the inputs: pure error")


class Part(Card):
    """Held-out rows from `low` to `high`, and the share of their truths inside the interval."""

    low: Number
    high: Number
    rows: Count
    coverage: Share


Parts = Annotated[tuple[Part, ...], Field(max_length=10, fail_fast=True)]


class Coverage(Card):
    """Where the interval holds less, or more, than it aims at."""

    by_prediction: Parts
    by_input: dict[InputName, Parts] = Field(max_length=MOST_INPUTS)


class Mistake(Card):
    """A held-out row that the model is far off."""

    name: Text
    predicted: Number
    measured: Number


class Evaluation(Scores):
    """The scores of this version and of the baselines, all on the same folds.

    Rows with identical inputs are in one fold, if there are any; `apart` has the scores with such
    rows in different folds, which flatter whatever remembers.
    """

    comparison: Annotated[tuple[Compared, ...], Field(max_length=100, fail_fast=True)] = ()
    apart: Scores | None = None
    noise: Noise | None = None
    coverage: Coverage | None = None
    mistakes: Annotated[tuple[Mistake, ...], Field(max_length=10, fail_fast=True)] = ()


class Code(Card):
    """The revision of this repository that made the version."""

    revision: Text
    modified: bool


class Tensor(Card):
    """A tensor that a signature takes, [n] or [n, k], and the inputs in its columns.

    In a shape -1 stands for the rows, as many as there are.
    """

    name: TensorName
    shape: tuple[Literal[-1]] | tuple[Literal[-1], Count]
    inputs: Annotated[tuple[InputName, ...], Field(min_length=1, max_length=MOST_INPUTS)]

    @model_validator(mode="after")
    def _of_inputs(self) -> Self:
        columns = self.shape[1] if len(self.shape) == 2 else 1
        if columns != len(self.inputs):
            raise ValueError(f"expected {columns} inputs, as the shape has")
        return self


class Answer(Card):
    """The tensor that a signature answers with, [n] or [n, 1]."""

    name: TensorName
    shape: tuple[Literal[-1]] | tuple[Literal[-1], Literal[1]]


class Signature(Card):
    """How a SavedModel that was made elsewhere is asked, as its clients know it.

    The `aliases` are further signatures that take and answer the same. The tensors' inputs are
    those of the manifest in its order. `no_twin` says why the version has none.
    """

    name: TensorName
    aliases: Annotated[tuple[TensorName, ...], Field(max_length=100)] = ()
    tensors: Annotated[tuple[Tensor, ...], Field(min_length=1, max_length=MOST_INPUTS)]
    output: Answer
    no_twin: Text = ""

    def split(self, rows: Any) -> dict[str, Any]:
        """Rows [n, k] of the inputs in their order, as the tensors that carry them, by name."""
        parts, first = {}, 0
        for each in self.tensors:
            end = first + len(each.inputs)
            parts[each.name] = rows[:, first] if len(each.shape) == 1 else rows[:, first:end]
            first = end
        return parts


class Manifest(Card):
    """Everything known of one version. `files` maps each other file to its SHA-256.

    A version that was made elsewhere has a signature, and may lack its architecture, data and
    evaluation; one without an interval answers without `lower` and `upper`.
    """

    schema_version: Literal[1, 2] = 2
    model: str = Field(pattern=f"^{NAME.pattern}$")
    version: Version
    intended_use: Text = ""
    not_for: Text = ""
    architecture: Architecture | None = None
    inputs: Annotated[
        tuple[Input, ...],
        Field(min_length=1, max_length=MOST_INPUTS, fail_fast=True),
        AfterValidator(_different),
    ]
    output: Output
    signature: Signature | None = None
    interval: Interval | None = None
    data: Data | None = None
    evaluation: Evaluation | None = None
    code: Code | None = None
    created: Moment
    files: dict[FileName, Digest] = Field(max_length=MOST_FIELDS)

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = {each.name for each in self.inputs} | TAKEN | TAKEN_BESIDE
        if self.output.name in names:
            raise ValueError("expected a name of the output that nothing else has in an answer")
        if len({each.min is None for each in self.inputs}) > 1:
            raise ValueError("expected min, max and mean of all inputs, or of none")
        if self.signature:
            carried = tuple(name for each in self.signature.tensors for name in each.inputs)
            if carried != self.input_names:
                raise ValueError("expected tensors of all inputs, in their order")
        return self

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs in the order of the `features` signature's columns."""
        return tuple(each.name for each in self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What a row is answered with: the output, and its interval where there is one."""
        bounds = ("lower", "upper") if self.interval else ()
        return (self.output.name, *bounds)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """One tensor [n] for each input, under its name."""
        return tuple(Tensor(name=name, shape=(-1,), inputs=(name,)) for name in self.input_names)

    @property
    def signatures(self) -> dict[str, Signature]:
        """How the SavedModel is asked, by name: the usual one first."""
        if self.signature:
            return dict.fromkeys((self.signature.name, *self.signature.aliases), self.signature)
        names = self.input_names
        table = Tensor(name=FEATURES, shape=(-1, len(names)), inputs=names)
        output = Answer(name=self.output.name, shape=(-1,))
        return {
            BY_NAME: Signature(name=BY_NAME, tensors=self.tensors, output=output),
            FEATURES: Signature(name=FEATURES, tensors=(table,), output=output),
        }

    @property
    def seen(self) -> tuple["Seen", ...]:
        """What training saw of each input; empty where nobody knows."""
        return tuple(
            Seen(each.min, each.max, each.mean)
            for each in self.inputs
            if each.min is not None and each.max is not None and each.mean is not None
        )

    @property
    def accepted(self) -> tuple[tuple[float, float], ...]:
        """The least and the greatest value of each input that is answered."""
        usual = FIRST_SCHEMA_ACCEPTS if self.schema_version == 1 else (-LARGEST, LARGEST)
        return tuple(each.accept or usual for each in self.inputs)

    @property
    def middle(self) -> dict[str, float]:
        """A row: of each input the median in training or its mean; else 0 or near it."""
        middles = (each.quantiles.get("0.5", each.mean or 0.0) for each in self.inputs)
        return self._accepted_row(middles)

    @property
    def example(self) -> dict[str, float]:
        """The same in three digits, for people."""
        return self._accepted_row(float(f"{middle:.3g}") for middle in self.middle.values())

    def _accepted_row(self, values: Iterable[float]) -> dict[str, float]:
        """The values by the inputs' names, each moved to the nearest that is accepted."""
        return {
            name: min(max(value, low), high)
            for name, value, (low, high) in zip(
                self.input_names, values, self.accepted, strict=True
            )
        }


def _fields(card: type[Card]) -> set[str]:
    return set(card.model_fields).union(*map(_fields, card.__subclasses__()))


FIELDS = _fields(Card)  # other names are not repeated
KINDS = {str: "a text", list: "an array", tuple: "an array", dict: "an object"}
SAID_BY_ITSELF = {"json_invalid", "missing", "too_long", "too_short", "value_error"}


def parse(content: bytes) -> Manifest:
    """The manifest that these bytes are; raises ValueError with the first place that is wrong.

    No text of it is repeated: whoever wrote it may have put anything there.
    """
    if len(content) > MOST_BYTES:
        raise ValueError(f"the file: expected at most {MOST_BYTES:,} bytes, received more")
    try:
        json.loads(content, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except RecursionError as error:
        raise ValueError("the file: expected fewer brackets in brackets") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the file: expected JSON in UTF-8, {error}") from error
    try:
        return Manifest.model_validate_json(content, strict=True)
    except ValidationError as error:
        raise ValueError(fault(error)) from error


def fault(error: ValidationError) -> str:
    """Where a manifest is wrong, what was expected there, and what kind of thing came."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(it) for it in first["loc"] if it in FIELDS or isinstance(it, int))
    said = first["msg"].removeprefix("Value error, ")
    received = "" if first["type"] in SAID_BY_ITSELF else f", received {_kind(first['input'])}"
    return f"{place or 'the file'}: {said}{received}"


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    """Raise ValueError for an object that has a field twice, of which readers take either."""
    if len(pairs) > MOST_FIELDS:
        raise ValueError(
            f"the file: expected at most {MOST_FIELDS:,} fields of an object, "
            f"received {len(pairs):,}"
        )
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("the file: expected each field of an object once, received one twice")


def _kind(value: object) -> str:
    """What a value is, in few words: how long it is, or itself, if it holds nobody's text."""
    if isinstance(value, str | list | tuple | dict):
        return f"{KINDS[type(value)]} of length {len(value):,}"
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:3]}… of {len(text):,} digits"


def sha256(content: bytes) -> str:
    """The hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()
