"""The data plane: what the service can do, free of HTTP. All dialects go through it."""

from dataclasses import dataclass
from math import isfinite
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from models.files import LARGEST_TEXT
from models.manifest import REPORT, ROWS
from models.numbers import whole
from models.registry import LAST_VERSION, RegistryError
from service.errors import EngineFailure, Fault, InvalidInput, NotFound, NotLoaded
from service.serving import shapley
from service.serving.engines import Rows
from service.serving.host import Host
from service.serving.loaded import Loaded, Model, Models

ANSWERS = ("calories", "lower", "upper", "in_range")
Kcal = NDArray[np.float32]
INSIDE, OUTSIDE = np.array([True]), np.array([False])  # the training range, of one row


@dataclass(slots=True)
class Prediction:
    """Answers to float32 [n, k] rows: float32 [n] kcal each; `in_range` is bool [n].

    By perf_counter the engine took them from `asked` to `answered`.
    """

    source: Loaded
    rows: Rows
    calories: Kcal
    lower: Kcal
    upper: Kcal
    in_range: NDArray[np.bool_]
    asked: float = 0.0
    answered: float = 0.0


@dataclass(frozen=True)
class Explanation:
    """What each input adds: float32 [n, k] kcal, which with `base` sum to the prediction."""

    prediction: Prediction
    base: np.float32
    contributions: Kcal

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs whose contributions these are."""
        return self.prediction.source.inputs


class DataPlane:
    """Answers questions with the versions in the host."""

    def __init__(self, host: Host, default_model: str, max_rows: int) -> None:
        self._host = host
        self.default_model = default_model
        self.max_rows = max_rows

    def ready(self) -> str:
        """Empty when the default model answers, else a sentence for anyone: it names no model."""
        if self._host.leaving():
            return "The service is about to stop; it answers what still comes."
        try:
            self.choose()
        except (NotFound, NotLoaded):
            return "The default model has no version that can answer; GET /models says why."
        return ""

    def choose(
        self,
        model: str | None = None,
        version: int | None = None,
        label: str | None = None,
        key: str = "",
    ) -> Loaded:
        """The loaded version that a request means; raises NotFound or NotLoaded.

        `key` keeps one caller with one version while a canary takes its share.
        """
        name = model or self.default_model
        if version is None and label is None:
            served = self._host.models.get(name)
            if served and served.usual:
                return served.usual
        return self._host.find(name, version, label, key)

    def model(self, name: str) -> Model:
        """What is served of one model; raises NotFound or NotLoaded."""
        return self._host.model(name)

    def served(self) -> Models:
        """All models with their labels, versions and what became of them."""
        return self._host.models

    def report(self, source: Loaded) -> bytes:
        """The page that training wrote about a version; raises as `_file` does."""
        return self._file(source, REPORT)

    def rows(self, source: Loaded) -> bytes:
        """CSV of the rows that training shows of a version's data; raises as `_file` does."""
        return self._file(source, ROWS)

    def _file(self, source: Loaded, name: str) -> bytes:
        """A file that training put beside a version, as it was published.

        Raises NotFound when the version has none, and NotLoaded when it is no longer the file
        that was published, or too large to be sent.
        """
        if name not in source.manifest.files:
            raise NotFound(
                f"{source.model} version {source.version} has no {name}; versions that "
                "'python -m training' publishes have one."
            )
        try:
            return self._host.registry.read(source.manifest, name, LARGEST_TEXT)
        except RegistryError as error:
            raise NotLoaded(str(error)) from error

    def explain(self, source: Loaded, rows: Rows) -> Explanation:
        """Answer float32 [n, k] rows and tell what each input added: its exact Shapley value.

        The background is one row, the training mean, and its prediction is the base. Each
        row costs 2^k predictions, all in one call of the engine; more than `max_rows` of
        them raise InvalidInput.
        """
        count, k = rows.shape
        most = self.max_rows >> k
        if count > most:
            expected = f"at most {most} rows to explain, each by {2**k} predictions"
            raise InvalidInput([Fault("body", expected, str(count))])
        every = predict(source, shapley.mixed(rows, source.mean))
        # float32 [n, 2^k] each; the first coalition is the background, the last the row itself
        calories, lower, upper = (
            column.reshape(count, 2**k) for column in (every.calories, every.lower, every.upper)
        )
        prediction = Prediction(
            source,
            rows,
            calories[:, -1].copy(),
            lower[:, -1].copy(),
            upper[:, -1].copy(),
            _in_range(source, rows),
            every.asked,
            every.answered,
        )
        contributions = (calories.astype(np.float64) @ shapley.weights(k)).astype(np.float32)
        return Explanation(prediction, calories[0, 0], contributions)


def version_of(text: str) -> int:
    """The version that a path names; raises NotFound for what is no number of one."""
    version = whole(text, LAST_VERSION)
    if version is None:
        raise NotFound(f"'{text[:40]}' is no version: expected a positive whole number.")
    return version


def predict(source: Loaded, rows: Rows) -> Prediction:
    """Answer float32 [n, k] rows in grams, k in the order of `source.inputs`.

    A row outside the training range is answered and marked. Raises EngineFailure when
    an answer is not finite.
    """
    asked = perf_counter()
    calories, lower, upper = source.engine.predict(rows)
    answered = perf_counter()
    if len(rows) == 1:
        # Of one row, NumPy takes ten times as long as Python: as much as the whole inference.
        finite = isfinite(calories.item() + lower.item() + upper.item())  # no sum of float32 is inf
        in_range = INSIDE
        row = rows.tolist()[0]
        for place, (low, high) in enumerate(source.ranges):
            if not low <= row[place] <= high:
                in_range = OUTSIDE
    else:
        finite = all(np.isfinite(column).all() for column in (calories, lower, upper))
        in_range = _in_range(source, rows)
    if not finite:
        raise EngineFailure(
            f"{source.model} version {source.version} answered something that is no finite "
            "number; roll back with 'python -m models rollback'."
        )
    return Prediction(source, rows, calories, lower, upper, in_range, asked, answered)


def _in_range(source: Loaded, rows: Rows) -> NDArray[np.bool_]:
    """Whether each row lies in the training range of every input, bool [n]."""
    # Column by column: along rows of three, NumPy would take five times as long.
    columns = rows.T.copy()
    inside: NDArray[np.bool_] = np.logical_and.reduce(
        (columns >= source.low) & (columns <= source.high)
    )
    return inside
