"""The head of a request: from its bytes to what it asks for, or why it cannot be read.

The parser (llhttp) takes more than one who passes a request on and one who answers it read in
the same way. What it takes and this refuses is in docs/security.md.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from models.numbers import whole

END = b"\r\n\r\n"
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
TARGET = "The path cannot be read: expected one as in /predict?model=NAME, percent-encoded."
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
    keeps: bool  # the connection, if the server does too


def parse(head: bytes) -> bool:
    """Whether the parser would take what follows a head for another protocol.

    Also for the beginning of a head; raises NotHTTP for what is none.
    """
    try:
        HttpRequestParser(None).feed_data(head)
    except HttpParserUpgrade:
        return True
    except HttpParserError as error:
        raise NotHTTP(said(str(error))) from error
    return False


def too_long(head: bytes, most: int) -> NotHTTP:
    """The refusal of a head, or what has come of one, of more bytes than MAX_HEADER_BYTES."""
    if b"\r\n" in head[:most]:
        return NotHTTP(LONG.format(most), HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    return NotHTTP(LONG_LINE.format(most), HTTPStatus.REQUEST_URI_TOO_LONG)


def read(head: bytes, most: int) -> Head:
    """A whole head of at most so many bytes, with the empty line that ends it; raises NotHTTP.

    Clients say the same again and again, so that the last ones are kept.
    """
    if len(head) > most:
        raise too_long(head, most)
    return _known(head) if len(head) <= SHORT else _read(head)


def _read(head: bytes) -> Head:
    tunnels = parse(head)
    line, *fields = head.removesuffix(END).decode("latin-1").split("\r\n")
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
    if tunnels and length is None:  # its chunks would be taken for the next request
        raise NotHTTP(LENGTH)
    expects = expected is not None and version == "HTTP/1.1"
    connection = re.split(r"[\t ]*,[\t ]*", headers.get("connection", "").lower())
    keeps = (version == "HTTP/1.1" or "keep-alive" in connection) and "close" not in connection
    keeps = keeps and not tunnels
    return Head(method, unquote(path), query, headers, version[5:], length, expects, keeps)


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
