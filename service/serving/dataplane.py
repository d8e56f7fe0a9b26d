"""The data plane: what the service can do, free of HTTP. All dialects go through it."""

from dataclasses import dataclass
from functools import partial
from math import isfinite
from operator import le
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.files import LARGEST_TEXT
from models.manifest import LARGEST, REPORT, ROWS, SIGNATURES
from models.numbers import whole
from models.registry import LAST_VERSION, RegistryError
from service.errors import (
    EngineFailure,
    Fault,
    InvalidInput,
    NotFound,
    NotLoaded,
    ServiceError,
    Unsupported,
)
from service.serving import shapley
from service.serving.engines import Columns, Rows
from service.serving.host import Host
from service.serving.loaded import Loaded, Model, Models

ITEM = np.ndarray.item
INSIDE, OUTSIDE = np.array([True]), np.array([False])  # the training range, of one row


@dataclass(slots=True)
class Prediction:
    """Answers to float32 [n, k] rows: `columns`, float32 [n] each, as `source.outputs` names them.

    `in_range` is bool [n], and None where nobody knows what training saw. By perf_counter the
    engine took the rows from `asked` to `answered`.
    """

    source: Loaded
    rows: Rows
    columns: Columns
    in_range: NDArray[np.bool_] | None
    asked: float = 0.0
    answered: float = 0.0

    @property
    def value(self) -> NDArray[np.float32]:
        """The output itself, float32 [n]."""
        return self.columns[0]

    @property
    def outputs(self) -> dict[str, NDArray[np.float32]]:
        """The columns by their names."""
        return dict(zip(self.source.outputs, self.columns, strict=True))

    def answers(self) -> dict[str, NDArray[Any]]:
        """All that is said of the rows: the columns, and whether training saw the like."""
        found: dict[str, NDArray[Any]] = {**self.outputs}
        if self.in_range is not None:
            found["in_range"] = self.in_range
        return found


@dataclass(frozen=True)
class Explanation:
    """What each input adds: float32 [n, k], which with `base` sum to the prediction.

    `more` is told of each row beside: float32 [n] `standard_error`, where they are sampled.
    """

    prediction: Prediction
    base: np.float32
    contributions: NDArray[np.float32]
    more: dict[str, NDArray[np.float32]]

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs whose contributions these are."""
        return self.prediction.source.inputs

    def of_row(self, place: int) -> dict[str, Any]:
        """What is said of a row, beside its prediction."""
        return {
            "base": self.base,
            "contributions": dict(zip(self.inputs, self.contributions[place], strict=True)),
            **{name: column[place] for name, column in self.more.items()},
        }


class DataPlane:
    """Answers questions with the versions in the host."""

    def __init__(self, host: Host, default_model: str, max_rows: int) -> None:
        self._host = host
        self.default_model = default_model
        self.max_rows = max_rows

    def require_ready(self) -> None:
        """Raise NotLoaded, for anyone, so that it names no model, until the default one answers."""
        if self._host.leaving():
            raise NotLoaded("The service is about to stop; it answers what still comes.")
        try:
            self.choose()
        except (NotFound, NotLoaded) as error:
            sentence = "The default model has no version that can answer; GET /models says why."
            raise NotLoaded(sentence) from error

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

    def signatures(self, source: Loaded) -> bytes:
        """The signatures of a version that was made elsewhere, in JSON; raises as `_file` does."""
        return self._file(source, SIGNATURES)

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
        """Answer float32 [n, k] rows and tell what each input added: its Shapley value.

        Exact up to 10 inputs, above them sampled and with a standard error (shapley.py). The
        background is one row, the training mean, and its prediction is the base. More than
        `max_rows` predictions raise InvalidInput. Raises Unsupported where nobody knows the
        training mean.
        """
        if source.mean is None:
            raise Unsupported(
                f"{source.model} version {source.version} does not know what it was trained on, "
                "so there is nothing to explain against: adopt it again with its data (--data)."
            )
        count, k = rows.shape
        plan = shapley.plan(k, self.max_rows)
        most = self.max_rows // plan.size
        if count > most:
            expected = f"at most {most} rows to explain, each by {plan.size} predictions"
            raise InvalidInput([Fault("body", expected, str(count))])
        prediction = predict(source, rows)
        found = shapley.explain(plan, partial(_mixed, source), rows, source.mean)
        error = found.standard_error
        more = {} if error is None else {"standard_error": error.astype(np.float32)}
        contributions = found.contributions.astype(np.float32)
        return Explanation(prediction, found.base, contributions, more)


def version_of(text: str) -> int:
    """The version that a path names; raises NotFound for what is no number of one."""
    version = whole(text, LAST_VERSION)
    if version is None:
        raise NotFound(f"'{text[:40]}' is no version: expected a positive whole number.")
    return version


def predict(source: Loaded, rows: Rows) -> Prediction:
    """Answer float32 [n, k] rows, k in the order of `source.inputs`.

    A row outside the training range is answered and marked. An answer that is not finite raises
    EngineFailure, or InvalidInput where the row is outside.
    """
    asked = perf_counter()
    columns = source.engine.predict(rows)
    answered = perf_counter()
    if len(rows) == 1:
        # Of one row, NumPy takes ten times as long as Python: as much as the whole inference.
        finite = isfinite(sum(map(ITEM, columns)))  # no sum of a few float32 is inf as a float64
        in_range = None
        if source.ranges:
            [row], (low, high) = rows.tolist(), source.ranges
            in_range = INSIDE if all(map(le, low, row)) and all(map(le, row, high)) else OUTSIDE
    else:
        finite = all(np.isfinite(column).all() for column in columns)
        in_range = _in_range(source, rows)
    if not finite:
        raise _no_number(source, columns, in_range)
    return Prediction(source, rows, columns, in_range, asked, answered)


def _mixed(source: Loaded, rows: Rows) -> NDArray[np.float32]:
    """Predictions for rows mixed with the training mean; raises InvalidInput for what is none.

    None is so large that the difference of two would not be a float32.
    """
    found = source.engine.predict(rows)[0]
    if not (np.abs(found) <= LARGEST / 2).all():
        expected = "rows with answers also where some of their values are the training mean"
        raise InvalidInput([Fault("body", expected, "values far from any that it was trained on")])
    return found


def _no_number(
    source: Loaded, columns: Columns, in_range: NDArray[np.bool_] | None
) -> ServiceError:
    """Whose fault an answer is that is no finite number: the model's, for a row as in training."""
    wrong = ~np.logical_and.reduce([np.isfinite(column) for column in columns])
    if in_range is not None and (wrong & in_range).any():
        return EngineFailure(
            f"{source.model} version {source.version} answered something that is no finite "
            "number; roll back with 'python -m models rollback'."
        )
    expected = "values for which the model has a finite answer"
    received = "values far from any that it was trained on"
    return InvalidInput([Fault(f"[{int(wrong.argmax())}]", expected, received)])


def _in_range(source: Loaded, rows: Rows) -> NDArray[np.bool_] | None:
    """Whether each row lies in the training range of every input, bool [n]; None if unknown."""
    if not source.ranges:
        return None
    # Column by column: along rows of three, NumPy would take five times as long.
    columns = rows.T.copy()
    inside: NDArray[np.bool_] = np.logical_and.reduce(
        (columns >= source.low) & (columns <= source.high)
    )
    return inside
