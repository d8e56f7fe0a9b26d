"""A small client of the native API; on the command line, python -m service.client 5 1 2."""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from models.numbers import decimal_argument, whole_argument
from models.registry import LAST_VERSION

URL = "http://127.0.0.1:8000"
INPUTS = ("sugar", "fiber", "protein")
HINTS = {401: " Here: --key KEY, or the variable API_KEY."}
BUSY = frozenset({429, 503})  # the service asks to come again
# A connection that ends before the answer does; inside its body requests names it by chunks,
# whether it came in chunks or not.
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)

Row = Mapping[str, float]
Sleep = Callable[[float], None]


@dataclass(frozen=True)
class Prediction:
    """One answer: kcal a serving with its interval; `in_range` is False outside the training."""

    calories: float
    lower: float
    upper: float
    in_range: bool
    model: str
    version: int


@dataclass(frozen=True)
class Columns:
    """Answers to n rows, a list of n for each figure of a Prediction."""

    calories: list[float]
    lower: list[float]
    upper: list[float]
    in_range: list[bool]
    model: str
    version: int


@dataclass(frozen=True)
class Explanation(Prediction):
    """A prediction and what each input adds to `base`, the answer for the training mean.

    `contributions` are exact Shapley values in kcal; with `base` they sum to `calories`.
    """

    base: float
    contributions: dict[str, float]


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

    def predict(self, grams: Row, **choice: str | int) -> Prediction:
        """Predict one row, such as {"sugar": 5, "fiber": 1, "protein": 2}."""
        return Prediction(**self._ask("POST", "/predict", json=grams, params=choice))

    def predict_rows(self, rows: Sequence[Row], **choice: str | int) -> list[Prediction]:
        """Predict many rows, all by one version."""
        answer = self._ask("POST", "/predict", json=rows, params=choice)
        predictions = answer.pop("predictions")
        return [Prediction(**each, **answer) for each in predictions]

    def predict_columns(
        self, columns: Mapping[str, Sequence[float]], **choice: str | int
    ) -> Columns:
        """Predict rows given as columns, all of one length: what is quickest for many."""
        return Columns(**self._ask("POST", "/predict", json=columns, params=choice))

    def explain(self, grams: Row, **choice: str | int) -> Explanation:
        """Predict one row and tell what each input adds."""
        return Explanation(**self._ask("POST", "/explain", json=grams, params=choice))

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
    grams = dict(zip(INPUTS, options.grams, strict=False))
    choice = {name: getattr(options, name) for name in ("model", "version", "label")}
    client = Client(options.url, options.timeout, key=options.key, verify=options.ca or True)
    chosen = {name: value for name, value in choice.items() if value}
    try:
        ask = client.explain if options.explain else client.predict
        found = ask(grams, **chosen)
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
        print(
            f"{found.calories:.1f} kcal ({found.lower:.1f} to {found.upper:.1f}), "
            f"by {found.model} version {found.version}"
            + ("" if found.in_range else "; outside the range of the training data")
        )
        if isinstance(found, Explanation):
            print(f"{found.base:8.1f} for an average row")
            for name, kcal in found.contributions.items():
                print(f"{kcal:+8.1f} {name}")
        return 0
    return 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service.client", description=__doc__)
    number = decimal_argument()
    parser.add_argument("grams", type=number, nargs="+", help="sugar, fiber and protein a serving")
    parser.add_argument("--url", default=URL, help=f"default: {URL}")
    parser.add_argument("--model", default="calories", help="default: calories")
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
    options = parser.parse_args(arguments)
    if len(options.grams) > len(INPUTS):
        parser.error(f"expected at most {len(INPUTS)} numbers: {', '.join(INPUTS)}")
    return options


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
