"""The head of a request: from the bytes that the parser took to a Request, or why not.

The parser (llhttp) takes more than one who passes a request on and one who answers it read in
the same way. What it takes and this refuses is in docs/security.md.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

from models.numbers import decimal, whole
from service.errors import Fault, InvalidInput

SHORT = 2048  # bytes of a head that is kept in case it comes again
KEPT = 256  # of these
LONGEST = 2**63  # bytes of a body that somebody might mean

ABSOLUTE = re.compile(r"(https?)://([^/?@]+)([/?].*)?", re.IGNORECASE).fullmatch
HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*").fullmatch
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})").search

LINE = "The request line cannot be read: expected a method, a path and a version."
METHOD = "The method is none: expected one in capitals, such as GET or POST."
VERSION = "This version of HTTP is not spoken here: expected HTTP/1.1."
FIELD = "A header cannot be read: expected it with a colon right behind its name, ended by CR LF."
FOLDED = "A header goes on in a second line: expected each in one."
LENGTH = "Expected the length of a body told once, in digits or by 'Transfer-Encoding: chunked'."
CODING = "This transfer coding is not spoken here: expected 'chunked', or a Content-Length."
CHUNK = "A chunk cannot be read: expected its size in hexadecimal digits, its bytes, and CR LF."
HOSTS = "The host is not told: expected the header Host, once, as in 'Host: localhost'."
TARGET = "The path cannot be read: expected one as in /predict?model=calories, percent-encoded."
TUNNEL = "No tunnel is opened here: expected a method such as GET or POST."
EXPECTATION = "The header Expect cannot be met: expected '100-continue', or no such header."
CUT_OFF = "The head of the request broke off before its end, an empty line."
SLOW = "The head of the request took longer than HEADER_SECONDS allows, {:g} s."
LONG_LINE = "The request line is too long: expected at most {:,} bytes; a body may be longer."
LONG = "The headers are too long: expected at most {:,} bytes with the request line."

LATE = HTTPStatus.REQUEST_TIMEOUT
STATUSES = {
    VERSION: HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
    CODING: HTTPStatus.NOT_IMPLEMENTED,
    TUNNEL: HTTPStatus.NOT_IMPLEMENTED,
    EXPECTATION: HTTPStatus.EXPECTATION_FAILED,
}
# What llhttp says, and what is said for it; for anything else LINE.
REASONS = (
    (METHOD, "Invalid method|Expected space after method"),
    (VERSION, "Invalid HTTP version|Pause on PRI|Expected HTTP/2"),
    (FOLDED, "Unexpected whitespace"),
    (CODING, ".*nvalid `Transfer-Encoding`"),
    (LENGTH, ".*(Content-Length|Transfer-Encoding)"),
    (FIELD, "Invalid header|Missing expected"),
)


class NotHTTP(Exception):
    """What came is no request that can be answered; the text says what was expected."""

    def __init__(self, sentence: str, status: HTTPStatus | None = None) -> None:
        self.status = status or STATUSES.get(sentence, HTTPStatus.BAD_REQUEST)
        super().__init__(sentence)


def said(reason: str) -> str:
    """The sentence for what the parser says of a head; nothing that came is repeated."""
    return next((sentence for sentence, known in REASONS if re.match(known, reason)), LINE)


def too_long(head: bytes, most: int) -> NotHTTP:
    """What is said of a head of more bytes than MAX_HEADER_BYTES."""
    if b"\r\n" in head.lstrip(b"\r\n")[:most]:
        return NotHTTP(LONG.format(most), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return NotHTTP(LONG_LINE.format(most), HTTPStatus.REQUEST_URI_TOO_LONG)


@dataclass(frozen=True, slots=True)
class Head:
    """A head that can be answered."""

    method: str
    path: str
    query: str
    headers: dict[str, str]  # names in lower case, joined by ", "
    version: str
    length: int | None  # of the body, in bytes; None: its chunks tell
    expects: bool  # to be told that the body may come


def read(head: bytes) -> Head:
    """A whole head that the parser took; raises NotHTTP.

    Clients say the same again and again, so that the last ones are kept.
    """
    return _known(head) if len(head) <= SHORT else _read(head)


def _read(head: bytes) -> Head:
    line, *fields = head.strip(b"\r\n").decode("latin-1").split("\r\n")
    try:
        method, target, version = line.split(" ")
    except ValueError as error:  # HTTP/0.9 names no version; llhttp takes it, and several spaces
        raise NotHTTP(LINE) from error
    if version not in {"HTTP/1.1", "HTTP/1.0"}:  # RTSP/1.0 has the numbers of HTTP
        raise NotHTTP(VERSION)
    if method == "CONNECT":
        raise NotHTTP(TUNNEL)
    headers = _headers(fields)
    if not target.startswith("/"):
        target = _path_of(method, target, headers)
    if "host" not in headers and version == "HTTP/1.1":
        raise NotHTTP(HOSTS)
    path, _, query = target.partition("?")
    if "#" in target or BAD_ESCAPE(path):
        raise NotHTTP(TARGET)
    expected = headers.get("expect")
    if expected is not None and expected.lower() != "100-continue":
        raise NotHTTP(EXPECTATION)
    length = _length(headers, version)
    expects = expected is not None and version == "HTTP/1.1"
    return Head(method, unquote(path), query, headers, version[5:], length, expects)


_known = lru_cache(KEPT)(_read)


def _headers(fields: list[str]) -> dict[str, str]:
    """Each under its name. One with an underscore is left out: WSGI knows it from no hyphen."""
    headers: dict[str, str] = {}
    for field in fields:
        name, _, value = field.partition(":")
        name, value = name.lower(), value.strip(" \t")
        if "_" in name:
            continue
        if name not in headers:
            headers[name] = value
        elif name == "host":
            raise NotHTTP(HOSTS)
        else:
            headers[name] = f"{headers[name]}, {value}"
    if not HOST(headers.get("host", "")):
        raise NotHTTP(HOSTS)
    return headers


def _path_of(method: str, target: str, headers: dict[str, str]) -> str:
    """The path of a target that is no path: `*`, or a whole URL, whose host goes before Host."""
    if target == "*" and method == "OPTIONS":
        return target
    found = ABSOLUTE(target)
    if not found or not HOST(found[2]):
        raise NotHTTP(TARGET)
    headers["host"] = found[2]
    rest = found[3] or "/"
    return rest if rest.startswith("/") else f"/{rest}"


def _length(headers: dict[str, str], version: str) -> int | None:
    coding = headers.get("transfer-encoding")
    if coding is None:
        length = whole(headers.get("content-length", "0"), LONGEST)
        if length is None:
            raise NotHTTP(LENGTH)
        return length
    if version == "HTTP/1.0":
        raise NotHTTP(LENGTH)
    if coding.lower() != "chunked":
        raise NotHTTP(CODING)
    return None


def seconds(given: str) -> float:
    """What X-Request-Timeout says; raises InvalidInput."""
    told = decimal(given, least=0)
    if told:
        return told
    fault = Fault("X-Request-Timeout", "seconds above 0, such as 0.5", repr(given[:40]))
    raise InvalidInput([fault])
