"""Numbers in headers, paths, queries and bodies, in every spelling: refused, or what they say.

Those that the server reads before: tests/server/test_heads.py and test_limits.py.
"""

import json
import re
import shutil
import struct
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest

from models.numbers import decimal
from service.app import Application
from tests.dialects import tensor
from tests.fuzz import targets
from tests.servers import ROW

DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
OTHER_DIGITS = (  # than those of ASCII: Arabic, full width, and superscripts, as Latin-1 has some
    str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"),
    {ord(str(digit)): 0xFF10 + digit for digit in range(10)},
    str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"),
)


def spellings(number: int) -> list[str]:
    """One number in many ways, some of which are other numbers, or none."""
    n = str(number)
    other = [n.translate(digits) for digits in OTHER_DIGITS]
    return [
        *("0" * zeros + n for zeros in (0, 1, 9, 10, 20, 3000, 5000)),
        *(sign + n for sign in ("+", "-", "--", "+-", "\N{MINUS SIGN}")),
        *(" " + n, n + " ", n + "\t", "\xa0" + n, f"{n} 0", f"{n}:0", f"'{n}'", n + "\x00"),
        *("_" + n, n + "_", "0_" + n, n + "_0", n + "_000", n + "j", n + "L"),
        *(n + ".0", n + ".", n + ".5", "." + n, n + "e0", n + "E+0", n + "e1", n + "e-1"),
        *(f"{number:#x}", f"{number:#o}", f"{number:#b}", f"{number:x}h", f"0{number:o}o"),
        *(*other, *("0" + each for each in other)),
        *("NaN", "inf", "-Infinity", "1e999", "1e-999", "0e9999", "true", "n"),
        *(str(2**bits + number) for bits in (8, 16, 31, 32, 63, 64, 128)),
        *("9" * digits for digits in (10, 18, 19, 400, 3000, 4300, 5000)),
        *("0" * 10 + "9" * 10, "0" * 10 + "9" * 5000, "0" * 5000 + "x", n + "0" * 5000),
        *("-" + "9" * 5000, "0." + "0" * 3000 + n, n + "." + "0" * 3000),
    ]


def said(text: str) -> Decimal | None:
    """The number that a text is, as people write numbers; None where it is none."""
    text = text.strip(" \t")
    return Decimal(text) if DECIMAL.fullmatch(text) else None


def plainly(number: Decimal) -> str:
    """The number in its digits and no more."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Place(NamedTuple):
    """Where a number is read: one that is right there, and the request that has it spelt so.

    What is no number where none is `needed` is passed over, as HTTP wants.
    """

    number: int
    request: Callable[[str], Request]
    needed: bool = True


LENGTH = "Inference-Header-Content-Length"
JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}
LINE = Request("POST", "/predict", CSV, b"sugar,fiber,protein\n5,1,2\n")
ICON = Request("GET", "/static/page/icon.svg", {"Range": "bytes=0-1"}, b"")
METRICS = Request("GET", "/metrics", {}, b"")


def in_target(target: str, body: Any = None) -> Place:
    data = json.dumps(body).encode() if body else b""
    method, headers = ("POST", JSON) if body else ("GET", {})
    return Place(1, lambda n: Request(method, target.replace("N", quote(n)), headers, data))


def in_json(target: str, body: Any, number: int, method: str = "POST", raw: bytes = b"") -> Place:
    """A number in JSON: where `body` has the string "N"."""

    def request(spelt: str) -> Request:
        data = json.dumps(body).replace('"N"', spelt).encode()
        headers = {**JSON, LENGTH: str(len(data))} if raw else JSON
        return Request(method, target, headers, data + raw)

    return Place(number, request)


def in_csv(line: str) -> Place:
    text = f"sugar,fiber,protein\n{line}\n"
    return Place(5, lambda n: Request("POST", "/predict", CSV, text.replace("N", n).encode()))


def in_header(number: int, name: str, value: str, asked: Request) -> Place:
    def request(spelt: str) -> Request:
        return asked._replace(headers={**asked.headers, name: value.replace("N", spelt)})

    return Place(number, request)


def inputs(**changed: Any) -> dict[str, Any]:
    """A V2 request for one row, the fields of its first tensor changed; None takes one away."""
    first, *others = [tensor(name, [value]) for name, value in ROW.items()]
    first = {name: it for name, it in {**first, **changed}.items() if it is not None}
    return {"inputs": [first, *others]}


BINARY = inputs(data=None, parameters={"binary_data_size": "N"})
RAW = struct.pack("<f", ROW["sugar"])
HEAD = json.dumps(BINARY).replace('"N"', "4").encode()
V1, V2 = "/v1/models/calories", "/v2/models/calories"
CANARY = "/admin/models/calories/labels/canary"
WRONG = {**ROW, "sugar": "N"}
ROWS, EXAMPLES = {"instances": [ROW]}, {"examples": [ROW]}
PLACES = [
    *(in_target(f"/{verb}?version=N", ROW) for verb in ("predict", "explain")),
    *(in_target(f"/models/calories/N{rest}") for rest in ("", "/report", "/training")),
    *(in_target(f"{V1}/versions/N:{verb}", ROWS) for verb in ("predict", "explain")),
    in_target(f"{V1}/versions/N:regress", EXAMPLES),
    *(in_target(f"{V1}/versions/N{rest}") for rest in ("", "/metadata")),
    *(in_target(f"{V2}/versions/N{rest}") for rest in ("", "/ready")),
    in_target(f"{V2}/versions/N/infer", inputs()),
    *(in_json("/predict", body, 5) for body in (WRONG, [ROW, WRONG])),
    in_json("/predict", {"sugar": ["N"], "fiber": [1], "protein": [2]}, 5),
    in_json("/explain", WRONG, 5),
    in_json(f"{V1}:predict", {"instances": [WRONG]}, 5),
    in_json(f"{V2}/infer", inputs(data=["N"]), 5),
    in_json(f"{V2}/infer", inputs(shape=["N"]), 1),
    in_json(f"{V2}/infer", BINARY, 4, raw=RAW),
    in_json(CANARY, {"version": "N", "percent": 5}, 1, "PUT"),
    in_json(CANARY, {"version": 1, "percent": "N"}, 5, "PUT"),
    *(in_csv(line) for line in ("N,1,2", '"N",1,2')),
    in_header(len(HEAD), LENGTH, "N", Request("POST", f"{V2}/infer", JSON, HEAD + RAW)),
    in_header(1, "Accept", "text/csv;q=N", LINE),
]
DATES = ("N Nov 1994 08:49:37 GMT", "06 Nov N 08:49:37 GMT", "06 Nov 1994 N:49:37 +N")
PASSED_OVER = [
    *(in_header(1, "Range", value, ICON) for value in ("bytes=0-N", "bytes=N-", "bytes=-N")),
    *(
        in_header(1, f"If-{condition}", f"Sun, {date}", ICON)
        for condition in ("Modified-Since", "Unmodified-Since", "Range")
        for date in DATES
    ),
    in_header(1, "Accept", "application/openmetrics-text;version=N;q=N", METRICS),
]
ALL = [*PLACES, *(place._replace(needed=False) for place in PASSED_OVER)]


def name(place: Place) -> str:
    method, target, headers, body = place.request("N")
    return f"{method} {target} {body.decode(errors='replace') if 'N' in str(body) else headers}"


def bytes_of(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()


def ask(application: Application, request: Request) -> tuple[int, bytes]:
    """The status and the body of the answer."""
    method, target, given, body = request
    path, _, query = target.partition("?")
    headers = {name.lower(): bytes_of(value).decode("latin-1") for name, value in given.items()}
    headers["host"] = "localhost"
    found = targets._ask(application, method, unquote(path), headers, body, query)
    return found.status, bytes(found.body)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Application:
    registry = tmp_path_factory.mktemp("numbers") / "registry"
    shutil.copytree(shipped_root, registry)  # labels are moved in it
    return targets._application(registry)


def test_a_text_of_a_million_digits_is_read_in_one_pass() -> None:
    assert decimal("0" * 10**6 + "x") is None  # for every digit again it would take half an hour


@pytest.mark.parametrize("place", ALL, ids=name)
def test_a_number_in_any_spelling_is_refused_or_is_the_number_that_it_says(
    application: Application, place: Place
) -> None:
    answer_to = cache(lambda text: ask(application, place.request(text)))
    assert answer_to(str(place.number))[0] < 300
    wrong: list[tuple[object, ...]] = []
    for text in spellings(place.number):
        status, answer = answer_to(text)
        number = said(text)
        if status >= 500:
            wrong.append((text[:40], status, answer))
        elif not place.needed or not 200 <= status < 400:
            continue
        elif number is None:
            wrong.append((text[:40], "is no number, and was taken"))
        elif (status, answer) != answer_to(plainly(number)):
            wrong.append((text[:40], "was taken for another number"))
    assert not wrong, "\n".join(map(str, wrong))
