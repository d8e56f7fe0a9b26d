"""Numbers in headers, paths, queries and bodies, in every spelling: refused, or what they say."""

import json
import re
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.servers import PATIENCE, ROW, SERVICE_PYTHON, Server, running

DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
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
    """Where a number is read: one that is right there, and the request that has it as it is spelt.

    `ascii` is for headers, which Granian passes over when they have other bytes.
    """

    number: int
    request: Callable[[str], Request]
    ascii: bool = False


def in_target(target: str, body: Any = None, number: int = 1) -> Place:
    data = json.dumps(body).encode() if body else b""
    method, headers = ("POST", {"Content-Type": "application/json"}) if body else ("GET", {})
    return Place(number, lambda n: Request(method, target.replace("N", quote(n)), headers, data))


def in_json(target: str, body: Any, number: int, method: str = "POST", raw: bytes = b"") -> Place:
    """A number in JSON: where `body` has the string "N"."""

    def request(spelt: str) -> Request:
        data = json.dumps(body).replace('"N"', spelt).encode()
        headers = {"Content-Type": "application/json"}
        if raw:
            headers[LENGTH] = str(len(data))
        return Request(method, target, headers, data + raw)

    return Place(number, request)


def in_csv(line: str) -> Place:
    headers = {"Content-Type": "text/csv"}
    text = f"sugar,fiber,protein\n{line}\n"
    return Place(5, lambda n: Request("POST", "/predict", headers, text.replace("N", n).encode()))


def in_header(number: int, name: str, value: str, asked: Request) -> Place:
    def request(spelt: str) -> Request:
        return asked._replace(headers={**asked.headers, name: value.replace("N", spelt)})

    return Place(number, request, ascii=True)


LENGTH = "Inference-Header-Content-Length"
JSON = {"Content-Type": "application/json"}
ONE = Request("POST", "/predict", JSON, json.dumps(ROW).encode())
LINE = Request("POST", "/predict", {"Content-Type": "text/csv"}, b"sugar,fiber,protein\n5,1,2\n")
ICON = Request("GET", "/static/page/icon.svg", {"Range": "bytes=0-1"}, b"")
READY = Request("GET", "/readyz", {}, b"")


def inputs(**changed: Any) -> dict[str, Any]:
    """A V2 request for one row, the fields of its first tensor changed; None takes one away."""
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP32", "data": [ROW[name]]} for name in ROW
    ]
    tensors[0] = {name: it for name, it in {**tensors[0], **changed}.items() if it is not None}
    return {"inputs": tensors}


BINARY = inputs(data=None, parameters={"binary_data_size": "N"})
RAW = struct.pack("<f", ROW["sugar"])
HEAD = json.dumps(BINARY).replace('"N"', "4").encode()
V1, V2 = "/v1/models/calories", "/v2/models/calories"
PLACES = [
    *(in_target(f"/{verb}?version=N", ROW) for verb in ("predict", "explain")),
    *(in_target(f"/models/calories/N{rest}") for rest in ("", "/report", "/training")),
    *(
        in_target(f"{V1}/versions/N:{verb}", {"instances": [ROW]})
        for verb in ("predict", "explain")
    ),
    in_target(f"{V1}/versions/N:regress", {"examples": [ROW]}),
    *(in_target(f"{V1}/versions/N{rest}") for rest in ("", "/metadata")),
    *(in_target(f"{V2}/versions/N{rest}") for rest in ("", "/ready")),
    in_target(f"{V2}/versions/N/infer", inputs()),
    in_json("/predict", {**ROW, "sugar": "N"}, 5),
    in_json("/predict", [ROW, {**ROW, "sugar": "N"}], 5),
    in_json("/predict", {"sugar": ["N"], "fiber": [1], "protein": [2]}, 5),
    in_json("/explain", {**ROW, "sugar": "N"}, 5),
    in_json(f"{V1}:predict", {"instances": [{**ROW, "sugar": "N"}]}, 5),
    in_json(f"{V2}/infer", inputs(data=["N"]), 5),
    in_json(f"{V2}/infer", inputs(shape=["N"]), 1),
    in_json(f"{V2}/infer", BINARY, 4, raw=RAW),
    in_json("/admin/models/calories/labels/canary", {"version": "N", "percent": 5}, 1, "PUT"),
    in_json("/admin/models/calories/labels/canary", {"version": 1, "percent": "N"}, 5, "PUT"),
    in_csv("N,1,2"),
    in_csv('"N",1,2'),
    in_header(len(ONE.body), "Content-Length", "N", ONE),
    in_header(len(HEAD), LENGTH, "N", Request("POST", f"{V2}/infer", JSON, HEAD + RAW)),
    in_header(1, "Accept", "text/csv;q=N", LINE),
    in_header(1, "X-Request-Timeout", "N", ONE),
]
DATES = ("N Nov 1994 08:49:37 GMT", "06 Nov N 08:49:37 GMT", "06 Nov 1994 N:49:37 GMT")
# What is no number here is passed over, as HTTP wants.
PASSED_OVER = [
    *(in_header(1, "Range", value, ICON) for value in ("bytes=0-N", "bytes=N-", "bytes=-N")),
    *(
        in_header(1, f"If-{condition}", f"Sun, {date}", ICON)
        for condition in ("Modified-Since", "Unmodified-Since", "Range")
        for date in (*DATES, "06 Nov 1994 08:49:37 +N")
    ),
    in_header(
        1, "Accept", "application/openmetrics-text;version=N", READY._replace(target="/metrics")
    ),
    in_header(1, "Accept", "text/plain;version=N;q=N", READY._replace(target="/metrics")),
    in_header(8000, "Host", "localhost:N", READY),
    in_header(8000, "Host", "localhost:N", READY._replace(target="/nowhere")),
    in_header(1, "Max-Forwards", "N", READY._replace(method="OPTIONS")),
    in_header(1, "Keep-Alive", "timeout=N, max=N", READY),
]


def name(place: Place) -> str:
    method, target, headers, body = place.request("N")
    return f"{method} {target} {headers if place.ascii else body.decode(errors='replace')}"


def ask(server: Server, request: Request) -> tuple[int, bytes]:
    """The status and the body of the answer; status 0 where the connection was closed instead."""
    headers = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(request.body))}
    lines = [f"{request.method} {request.target} HTTP/1.1".encode()]
    lines += [bytes_of(f"{name}: {value}") for name, value in (headers | request.headers).items()]
    announced = said((headers | request.headers)["Content-Length"])
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
        try:
            connection.sendall(b"\r\n".join([*lines, b"", request.body]))
            if announced is not None and announced > len(request.body):
                connection.shutdown(socket.SHUT_WR)  # who waits for the rest waits in vain
            answer = HTTPResponse(connection)
            answer.begin()
            return answer.status, answer.read()
        except (OSError, HTTPException):
            return 0, b""


def bytes_of(header: str) -> bytes:
    try:
        return header.encode("latin-1")
    except UnicodeEncodeError:
        return header.encode()


@pytest.fixture(scope="module")
def server(
    kind: str, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("numbers")
    settings = {"server": kind, "workers": 1, "registry": folder / "registry"}
    shutil.copytree(shipped_root, folder / "registry")  # labels are moved in it
    with running(folder, SERVICE_PYTHON, admin_key_waived="true", **settings) as server:
        yield server


@pytest.mark.parametrize("place", PLACES, ids=name)
def test_a_number_in_any_spelling_is_refused_or_is_the_number_that_it_says(
    server: Server, kind: str, place: Place
) -> None:
    if kind != "loop" and "X-Request-Timeout" in place.request("1").headers:
        return  # the others pass it over
    answer_to = cache(lambda text: ask(server, place.request(text)))
    assert answer_to(str(place.number))[0] == 200
    wrong: list[tuple[object, ...]] = []
    for text in spellings(place.number):
        if kind == "granian" and place.ascii and not text.isascii():
            continue
        status, answer = answer_to(text)
        number = said(text)
        if status >= 500:
            wrong.append((text[:40], status, answer))
        elif status < 200 or status >= 400:
            continue
        elif number is None:
            wrong.append((text[:40], "is no number, and was taken"))
        elif (status, answer) != answer_to(plainly(number)):
            wrong.append((text[:40], "was taken for another number"))
    assert not wrong, "\n".join(map(str, wrong))
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("place", PASSED_OVER, ids=name)
def test_a_number_that_nobody_needs_is_no_failure_of_the_service(
    server: Server, place: Place
) -> None:
    answers = {text[:40]: ask(server, place.request(text)) for text in spellings(place.number)}
    assert not {text: found for text, found in answers.items() if found[0] >= 500}
    assert "Traceback" not in server.output()
