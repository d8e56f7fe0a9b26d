"""A small client of the native API; on the command line, python -m service.client 5 1 2."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import requests

URL = "http://127.0.0.1:8000"
INPUTS = ("sugar", "fiber", "protein")


@dataclass(frozen=True)
class Prediction:
    """One answer: kcal a serving with its interval; `in_range` is False outside the training."""

    calories: float
    lower: float
    upper: float
    in_range: bool
    model: str
    version: int


class Refused(Exception):
    """The service answered with an error; the text is its own sentence."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class Client:
    """Asks one service, over one kept connection; `timeout` is in seconds."""

    def __init__(self, url: str = URL, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()

    def predict(self, grams: dict[str, float], **choice: str | int) -> Prediction:
        """Predict one row, such as {"sugar": 5, "fiber": 1, "protein": 2}.

        `choice` is `model`, `version` or `label`. Raises Refused, or requests' own errors
        when the service cannot be reached.
        """
        answer = self._session.post(
            f"{self._url}/predict", json=grams, params=choice, timeout=self._timeout
        )
        if not answer.ok:
            raise Refused(answer.status_code, _detail(answer))
        return Prediction(**answer.json())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one prediction; returns 1, with a sentence, when there is none."""
    parser = argparse.ArgumentParser(prog="python -m service.client", description=__doc__)
    parser.add_argument("grams", type=float, nargs="+", help="sugar, fiber and protein a serving")
    parser.add_argument("--url", default=URL, help=f"default: {URL}")
    parser.add_argument("--model", default="calories", help="default: calories")
    options = parser.parse_args(arguments)
    if len(options.grams) > len(INPUTS):
        parser.error(f"expected at most {len(INPUTS)} numbers: {', '.join(INPUTS)}")
    grams = dict(zip(INPUTS, options.grams, strict=False))
    try:
        found = Client(options.url).predict(grams, model=options.model)
    except Refused as error:
        print(f"client: {error}", file=sys.stderr)
    except requests.ConnectionError:
        print(f"client: nothing answers at {options.url}; try 'make serve'.", file=sys.stderr)
    except requests.RequestException as error:
        print(f"client: {error}", file=sys.stderr)
    else:
        print(
            f"{found.calories:.1f} kcal ({found.lower:.1f} to {found.upper:.1f}), "
            f"by {found.model} version {found.version}"
            + ("" if found.in_range else "; outside the range of the training data")
        )
        return 0
    return 1


def _detail(answer: requests.Response) -> str:
    try:
        problem: Any = answer.json()
        return str(problem["detail"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}"


if __name__ == "__main__":
    sys.exit(main())
