"""The manifest: the card inside a version that says what it is and what it was made from."""

import hashlib
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

MANIFEST = "manifest.json"
SIGNATURE = "model.sig"  # OpenSSF model signing's own name for it
TWIN = "model.tflite"
REPORT = "report/index.html"
ROWS = "training.csv"  # of those it was trained on: name, inputs in g, calories in kcal


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


FileName = Annotated[str, AfterValidator(_inside)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Card(BaseModel):
    """A frozen part of the manifest; an unknown field is refused, so a typo cannot hide."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(Card):
    """One input column of the model, as it was in training."""

    name: str
    unit: str = "g a serving"
    dtype: Literal["float32"] = "float32"
    min: float
    max: float
    mean: float
    quantiles: dict[str, float]


class Output(Card):
    """What the model answers."""

    name: Literal["calories"] = "calories"
    unit: str = "kcal a serving"


class Interval(Card):
    """How `lower` and `upper` were made: `coverage` is the share of truths they aim to hold."""

    coverage: float = Field(gt=0, lt=1)
    method: str
    half_width: float = Field(ge=0, description="kcal; the mean where the width varies")
    observed: float | None = Field(
        None, description="share of held-out truths inside intervals made the same way"
    )


class Architecture(Card):
    """The network and how it was fitted."""

    name: str
    inputs: tuple[str, ...]
    hidden: tuple[int, ...]
    activation: str
    members: int
    parameters: int
    seed: int
    recipe: dict[str, float | int | str | tuple[float, ...]]
    libraries: dict[str, str]


class Data(Card):
    """What the model was fitted on."""

    source: str
    rows: int
    left_out: int
    sha256: str


class Score(Card):
    """Held-out errors in kcal; R2 has no unit."""

    mean_absolute_error: float
    root_mean_squared_error: float
    r2: float


class Compared(Score):
    """One line of the comparison: an architecture or a baseline on the same folds."""

    name: str
    difference: tuple[float, float] = Field(
        description="95 % interval of its mean absolute error minus that of least squares, kcal"
    )
    half_width: float | None = Field(description="kcal, of intervals made inside the folds")
    coverage: float | None = Field(description="share of held-out truths inside those intervals")
    seconds: float = Field(description="of fitting all folds, the choice of settings included")


class Evaluation(Card):
    """The scores of this version and of the baselines, all on the same folds."""

    folds: str
    model: Score
    baselines: dict[str, Score]
    comparison: tuple[Compared, ...] = ()


class Code(Card):
    """The revision of this repository that made the version."""

    revision: str
    modified: bool


class Manifest(Card):
    """Everything known of one version. `files` maps each other file to its SHA-256."""

    schema_version: Literal[1] = 1
    model: str
    version: int = Field(ge=1)
    architecture: Architecture
    inputs: tuple[Input, ...]
    output: Output = Output()
    interval: Interval
    data: Data
    evaluation: Evaluation
    code: Code
    created: datetime
    files: dict[FileName, Digest]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs in the order of the `features` signature's columns."""
        return tuple(each.name for each in self.inputs)


CARDS: tuple[type[Card], ...] = (*Card.__subclasses__(), Compared)
FIELDS = {name for card in CARDS for name in card.model_fields}  # other names are not repeated


def fault(error: ValidationError) -> str:
    """Where a manifest is wrong and what was expected there; nothing of what it holds."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(it) for it in first["loc"] if it in FIELDS or isinstance(it, int))
    return f"{place or 'the file'}: {first['msg'].removeprefix('Value error, ')}"


def sha256(content: bytes) -> str:
    """The hexadecimal SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()
