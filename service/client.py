"""A small client of the native API; on the command line, python -m service.client NAME=VALUE ..."""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

import requests

from models.labels import STABLE
from models.manifest import TAKEN, TAKEN_BESIDE
from models.numbers import decimal_argument, whole_argument
from models.registry import LAST_VERSION

URL = "http://127.0.0.1:8000"
OWN = TAKEN | TAKEN_BESIDE  # fields of answers that are not the output
HINTS = {401: " Here: --key KEY, or the variable API_KEY."}
BUSY = frozenset({429, 503})  # the service asks to come again
# A connection that ends before the answer does; inside its body requests names it by chunks,
# whether it came in chunks or not.
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)

Number = TypeVar("Number")
Truth = TypeVar("Truth")
Row = Mapping[str, float]
Sleep = Callable[[float], None]
Value = tuple[str, float]  # of an input by its name, which is empty where its place tells it
NUMBER = decimal_argument()


@dataclass(frozen=True, kw_only=True)
class Answer(Generic[Number, Truth]):
    """`value` is the output, whose name is `output`: answer["price"] and answer.price are it, too.

    `lower` and `upper` bound it where the version has an interval, and `in_range` is False outside
    of what it was trained on, where it knows that; else they are None.
    """

    output: str
    value: Number
    lower: Number | None = None
    upper: Number | None = None
    in_range: Truth | None = None
    model: str
    version: int

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """What the service answered; the one field that is none of its own is the output."""
        [output] = answer.keys() - OWN
        own = {name: value for name, value in answer.items() if name in OWN}
        return cls(output=output, value=answer[output], **own)

    def __getitem__(self, output: str) -> Number:
        if output != self.output:
            raise KeyError(f"{self.model} answers {self.output!r}, not {output!r}")
        return self.value

    def __getattr__(self, output: str) -> Number:
        if output != self.__dict__.get("output"):
            raise AttributeError(output)
        return self.value


@dataclass(frozen=True, kw_only=True)
class Prediction(Answer[float, bool]):
    """The answer to one row."""


@dataclass(frozen=True, kw_only=True)
class Columns(Answer[list[float], list[bool]]):
    """Answers to n rows, a list of n for each figure of a Prediction."""


@dataclass(frozen=True, kw_only=True)
class Explanation(Prediction):
    """A prediction and what each input adds to `base`, the answer for the training mean.

    `contributions` are Shapley values in the output's unit; with `base` they sum to `value`. Of
    more than 10 inputs they are sampled, and `standard_error` says how exactly.
    """

    base: float
    contributions: dict[str, float]
    standard_error: float | None = None


@dataclass(frozen=True)
class Served:
    """A model: the version of each label, and the state of each version."""

    name: str
    labels: dict[str, int]
    states: dict[int, str]


class Refused(Exception):
    """The service answered with an error, its own sentence, or with a redirect."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


@dataclass(frozen=True)
class Retries:
    """How often a request is sent again, and how long one waits for it, in seconds.

    Again is asked after 429, 503 and a lost connection: a prediction changes nothing. The wait
    is what Retry-After says, else a random part of `first`, doubled each time, so that many
    clients do not come back at once. A service that asks for more than `longest` is not asked.
    """

    times: int = 3
    first: float = 0.2
    longest: float = 10.0

    def waits(self) -> Iterator[float]:
        """The waits between the attempts."""
        for attempt in range(self.times):
            yield random.uniform(0.5, 1) * min(self.longest, self.first * 2**attempt)  # noqa: S311


class Client:
    """Asks one service, over kept connections; `timeout` is in seconds.

    `key` is sent as X-API-Key, to this service alone: no redirect is followed. `verify` is a PEM
    file of the authorities that are trusted, where those that the system trusts are not the ones.

    `choice` in its methods is `model`, `version` or `label`. They raise Refused, or requests'
    own errors when the service cannot be reached.
    """

    def __init__(  # noqa: PLR0913  each has its default
        self,
        url: str = URL,
        timeout: float = 10.0,
        headers: Mapping[str, str] | None = None,
        retries: Retries = Retries(),
        sleep: Sleep = time.sleep,
        *,
        key: str = "",
        verify: bool | str = True,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._retries = retries
        self._sleep = sleep
        self._verify = verify
        self._session = requests.Session()
        self._session.headers.update({"X-API-Key": key} if key else {})
        self._session.headers.update(headers or {})

    def predict(self, row: Row, **choice: str | int) -> Prediction:
        """Predict one row: a number for each input, by its name."""
        return Prediction.of(self._ask("POST", "/predict", json=row, params=choice))

    def predict_rows(self, rows: Sequence[Row], **choice: str | int) -> list[Prediction]:
        """Predict many rows, all by one version."""
        answer = self._ask("POST", "/predict", json=rows, params=choice)
        predictions = answer.pop("predictions")
        return [Prediction.of({**each, **answer}) for each in predictions]

    def predict_columns(
        self, columns: Mapping[str, Sequence[float]], **choice: str | int
    ) -> Columns:
        """Predict rows given as columns, all of one length: what is quickest for many."""
        return Columns.of(self._ask("POST", "/predict", json=columns, params=choice))

    def explain(self, row: Row, **choice: str | int) -> Explanation:
        """Predict one row and tell what each input adds."""
        return Explanation.of(self._ask("POST", "/explain", json=row, params=choice))

    def manifest(self, **choice: str | int) -> dict[str, Any]:
        """What is known of the version that a choice means, but for shares of the requests."""
        model = quote(str(choice.get("model") or self._ask("GET", "/models")["default"]), safe="")
        version = choice.get("version")
        if version is None:
            label = choice.get("label", STABLE)
            labels = self._ask("GET", f"/models/{model}")["labels"]
            if label not in labels:
                raise Refused(404, f"Model {model!r} has no label {label!r}; it has: {labels}.")
            version = labels[label]
        found: dict[str, Any] = self._ask("GET", f"/models/{model}/{version}")
        return found

    def models(self) -> list[Served]:
        """What is served, with the labels and the state of each version."""
        return [
            Served(
                model["name"],
                model["labels"],
                {each["version"]: each["state"] for each in model["versions"]},
            )
            for model in self._ask("GET", "/models")["models"]
        ]

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        """The JSON of the first answer that is none of BUSY; raises Refused for an error."""
        for wait in self._retries.waits():
            try:
                answer = self._send(method, path, **request)
            except requests.exceptions.SSLError:
                raise
            except LOST:
                self._sleep(wait)
                continue
            asked = _retry_after(answer)
            if answer.status_code not in BUSY or (asked or 0) > self._retries.longest:
                return _content(answer)
            self._sleep(wait if asked is None else asked)
        return _content(self._send(method, path, **request))

    def _send(self, method: str, path: str, **request: Any) -> requests.Response:
        # `verify` goes with each request: on the session, REQUESTS_CA_BUNDLE would win over it.
        request |= {"timeout": self._timeout, "verify": self._verify, "allow_redirects": False}
        return self._session.request(method, self._url + path, **request)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one prediction; returns 1, with a sentence, when there is none."""
    options = _options(arguments)
    choice = {name: getattr(options, name) for name in ("model", "version", "label")}
    client = Client(options.url, options.timeout, key=options.key, verify=options.ca or True)
    chosen = {name: value for name, value in choice.items() if value}
    try:
        ask = client.explain if options.explain else client.predict
        found = ask(_row(client, options.values, chosen), **chosen)
        unit = client.manifest(model=found.model, version=found.version)["output"]["unit"]
    except Refused as error:
        print(f"client: {error}{HINTS.get(error.status, '')}", file=sys.stderr)
    except requests.exceptions.SSLError:
        print(
            f"client: the certificate of {options.url} is not one that is trusted here; name the "
            "authority that signed it with --ca FILE.",
            file=sys.stderr,
        )
    except requests.ConnectionError:
        print(f"client: nothing answers at {options.url}; try 'make serve'.", file=sys.stderr)
    except OSError as error:  # requests' own among them, and a --ca that is not there
        print(f"client: {error}", file=sys.stderr)
    else:
        print("\n".join(_told(found, unit)))
        return 0
    return 1


def _row(client: Client, values: Sequence[Value], chosen: Mapping[str, str | int]) -> Row:
    """The row that the command line has; values without names are in the order of the manifest.

    Raises Refused where they are too many, or a name comes twice.
    """
    row = {name: number for name, number in values if name}
    if len(row) == len(values):
        return row
    names = [each["name"] for each in client.manifest(**chosen)["inputs"]]
    if row or len(values) > len(names):
        expected = f"at most {len(names)} numbers, or NAME=VALUE once for each: {', '.join(names)}"
        raise Refused(422, f"expected {expected}; received {len(values)}.")
    return {name: number for name, (_, number) in zip(names, values, strict=False)}


def _told(found: Prediction, unit: str) -> Iterator[str]:
    """The lines that are printed."""
    bounds = "" if found.lower is None else f" ({found.lower:.6g} to {found.upper:.6g})"
    outside = "; outside the range of the training data" if found.in_range is False else ""
    value = f"{found.value:.6g} {unit}".rstrip()
    yield f"{value}{bounds}, by {found.model} version {found.version}{outside}"
    if isinstance(found, Explanation):
        yield f"{found.base:12.6g} for an average row"
        for name, added in found.contributions.items():
            yield f"{added:+12.6g} {name}"
        if found.standard_error is not None:
            yield f"{found.standard_error:12.2g} is the largest standard error of these"


def _value(text: str) -> Value:
    """A number, or NAME=NUMBER."""
    name, _, number = text.rpartition("=")
    return name, NUMBER(number)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service.client", description=__doc__)
    given = "NAME=VALUE for each input, or the values in the order of the model's inputs"
    parser.add_argument("values", type=_value, nargs="+", metavar="VALUE", help=given)
    parser.add_argument("--url", default=URL, help=f"default: {URL}")
    parser.add_argument("--model", help="default: the service's own")
    version = whole_argument(1, LAST_VERSION)
    parser.add_argument("--version", type=version, help="default: what `stable` names")
    parser.add_argument("--label", help="such as canary")
    parser.add_argument("--explain", action="store_true", help="tell what each input adds")
    parser.add_argument(
        "--key",
        default=os.environ.get("API_KEY", ""),
        help="sent as X-API-Key (default: the variable API_KEY, which no list of processes shows)",
    )
    parser.add_argument("--ca", metavar="FILE", help="trust the authorities in this PEM file only")
    seconds = decimal_argument(0.001, 86_400)
    parser.add_argument("--timeout", type=seconds, default=10.0, help="seconds (default: 10)")
    return parser.parse_args(arguments)


def _retry_after(answer: requests.Response) -> float | None:
    """The seconds of a Retry-After header, which may be a number or a date (RFC 9110, 10.2.3)."""
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _content(answer: requests.Response) -> Any:
    if 300 <= answer.status_code < 400:
        raise Refused(answer.status_code, _redirected(answer))
    if not answer.ok:
        raise Refused(answer.status_code, _detail(answer))
    return answer.json()


def _redirected(answer: requests.Response) -> str:
    place = answer.headers.get("Location", "")
    return (
        f"{answer.url} answers {answer.status_code} and points to {place[:200]!r}; no redirect is "
        "followed, for the key would go there: if that is the service, give its address instead."
    )


def _detail(answer: requests.Response) -> str:
    try:
        problem: Any = answer.json()
        return str(problem["detail"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}"


if __name__ == "__main__":
    sys.exit(main())
