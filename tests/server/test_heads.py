"""What is HTTP and what is none: RFC 9112, and what other servers were once fooled with."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from service.server import head as heads
from tests.fuzz.connection import Answer, Connection
from tests.server.tiny import Served, post, served

LINE = b"POST /echo HTTP/1.1\r\n"
HEAD = LINE + b"Host: a\r\nX-Request-Id: one\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
MOST = 2**16
NEXT = post(name=b"next")


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as server:
        yield server


def answers(server: Served, sent: bytes) -> list[Answer]:
    """Those to bytes after which nothing comes."""
    connection = Connection(server.port)
    try:
        connection.send(sent)
        connection.finish()
        found = []
        while answer := connection.read():
            found.append(answer)
        return found
    finally:
        connection.close()


def echoed(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    return dict(json.loads(answer.body))


NO_LINE = 400, "a method, a path and a version"
METHOD = 400, "in capitals"
VERSION = 505, "expected HTTP/1.1"
PATH = 400, "percent-encoded"
FIELD = 400, "a colon right behind"
FOLDED = 400, "in a second line"
HOST = 400, "the header Host, once"
LENGTH = 400, "length of a body told once"
CODING = 501, "'chunked'"
TUNNEL = 501, "No tunnel"
EXPECTATION = 417, "100-continue"
ANYHOW = None, ""  # which sentence of the parser's it is does not matter

LENGTHS = [b"", b"+1", b"-1", b"0x1", b"1_0", b"1 1", b"1.0", b"1e0", b"a", b"1;a", b"1, 1"]
LENGTHS += [b"%d" % 2**64, b"1\r\nContent-Length: 2", b"1\r\nContent-Length: 1"]
BOTH = [b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
BOTH += [b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"]
CODINGS = [b"gzip, chunked", b"steam", b"xchunked", b"chunkedx", b'"chunked"']
NO_CODINGS = [b"", b"chunked, gzip", b"chunked, identity", b"chunked, chunked", b", chunked"]
NO_CODINGS += [b"chunked;q=1", b"\x0bchunked", b"identity", b"chunked\r\nTransfer-Encoding: gzip"]
NO_FIELDS = [b"X-API-Key KEY", b"X-API-Key : KEY", b"X-API-Key\t: KEY", b": a", b"X A: a"]
NO_FIELDS += [b"X-\xc3\xa9: a", b"X(a): a", b"A: \x00", b"A: a\x01b", b"A: a\x7f"]
NO_FIELDS += [b"A: a\rB: b", b"A: a\nB: b", b"A: a\r"]
HOSTS = [b"a b", b"a/b", b"a@b", b"a\\b", b"a?b", b"a#b", b"\xff", b'"a"', b"a\tb", b"a\r\nHost: b"]
LINES = {
    METHOD: [
        b"post /echo HTTP/1.1",
        b"BREW /echo HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    NO_LINE: [
        *(
            b"POST HTTP/1.1",
            b"POST  /echo HTTP/1.1",
            b"POST /echo HTTP/1.1 ",
            b"POST /a b HTTP/1.1",
        ),
        *(b"POST /\x00 HTTP/1.1", b"POST /\xff HTTP/1.1", b"POST echo HTTP/1.1", b"GET /echo"),
        b"POST /echo http/1.1",
    ],
    PATH: [
        *(b"POST /echo#a HTTP/1.1", b"POST /echo?a#b HTTP/1.1", b"POST /echo% HTTP/1.1"),
        *(b"POST /%zz HTTP/1.1", b"POST /%4 HTTP/1.1", b"POST * HTTP/1.1"),
        *(b"POST http://me@a/echo HTTP/1.1", b"POST ftp://a/echo HTTP/1.1"),
    ],
    VERSION: [
        *(b"POST /echo HTTP/0.9", b"POST /echo HTTP/1.2", b"POST /echo HTTP/2.0"),
        *(b"POST /echo HTTP/9.9", b"GET /echo RTSP/1.0", b"PRI * HTTP/2.0\r\n\r\nSM"),
    ],
    TUNNEL: [b"CONNECT a:1 HTTP/1.1"],
    ANYHOW: [
        *(b"POST\t/echo\tHTTP/1.1", b"POST http:///echo HTTP/1.1", b"POST /echo HTTP/11.1"),
        *(b"POST /echo HTTP/1", b"DESCRIBE rtsp://a/echo RTSP/1.0"),
    ],
}
REFUSED = [
    # Where the body ends (RFC 9112, section 6.3).
    *((LENGTH, HEAD + b"Content-Length: " + length + b"\r\n\r\na") for length in LENGTHS),
    *((LENGTH, HEAD + both) for both in BOTH),
    *((CODING, CHUNKED.replace(b"chunked", coding) + b"0\r\n\r\n") for coding in CODINGS),
    *((ANYHOW, CHUNKED.replace(b"chunked", coding) + b"0\r\n\r\n") for coding in NO_CODINGS),
    (LENGTH, CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"),
    (LENGTH, CHUNKED[:-2] + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n0\r\n\r\n"),
    # Headers (section 5), Host among them (section 3.2).
    *((FIELD, HEAD + field + b"\r\n\r\n") for field in NO_FIELDS),
    *((FOLDED, HEAD + b"A: a\r\n" + fold + b"b\r\n\r\n") for fold in (b" ", b"\t")),
    (ANYHOW, LINE + b" Host: a\r\n\r\n"),
    (HOST, LINE + b"Content-Length: 0\r\n\r\n"),
    *((HOST, LINE + b"Host: " + host + b"\r\n\r\n") for host in HOSTS),
    (EXPECTATION, HEAD + b"Expect: a reply\r\n\r\n"),
    # The request line (section 3).
    *((said, line + b"\r\nHost: a\r\n\r\n") for said, lines in LINES.items() for line in lines),
    (ANYHOW, NEXT.replace(b"\r\n", b"\n") + b"\r\n\r\n"),
]


@pytest.mark.parametrize(("said", "sent"), REFUSED)
def test_what_is_no_request_is_refused_once_and_what_follows_is_not_read(
    server: Served, said: tuple[int | None, str], sent: bytes
) -> None:
    status, sentence = said
    [answer] = answers(server, sent + NEXT)
    assert answer.closes
    assert "x-request-id" not in answer.headers
    assert answer.headers["content-type"] == "application/problem+json"
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    assert sentence in document["detail"]
    assert answer.status == status or (status is None and answer.status in {400, 501, 505})


WRONG_CHUNKS = [
    # Sizes.
    *(b"\r\n\r\n", b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n", b"+1\r\na\r\n0\r\n\r\n"),
    *(b"0x1\r\na\r\n0\r\n\r\n", b" 1\r\na\r\n0\r\n\r\n", b"1 \r\na\r\n0\r\n\r\n"),
    *(b"1_0\r\naaaaaaaaaaaaaaaa\r\n0\r\n\r\n", b"f" * 17 + b"\r\na\r\n0\r\n\r\n"),
    *(b"1\r\nab\r\n0\r\n\r\n", b"2\r\na\r\n0\r\n\r\n"),
    # The ends of lines.
    *(b"1\na\r\n0\r\n\r\n", b"1\r\na\n0\r\n\r\n", b"1\ra\r\n0\r\n\r\n"),
    *(b"1;a\nb\r\na\r\n0\r\n\r\n", b"1\r\na\r\n0\r\n\n"),
    # Extensions and trailers.
    *(b'1;a="b\r\na\r\n0\r\n\r\n', b"1\r\na\r\n0\r\nX-API-Key KEY\r\n\r\n"),
    b"1;" + b"a" * 100_000 + b"\r\na\r\n0\r\n\r\n",
    b"1\r\na\r\n0\r\n" + b"A: a\r\n" * 20_000 + b"\r\n",
]


@pytest.mark.parametrize("chunks", WRONG_CHUNKS, ids=lambda chunks: repr(chunks[:20]))
def test_a_body_whose_chunks_cannot_be_read_is_refused_once(server: Served, chunks: bytes) -> None:
    [answer] = answers(server, CHUNKED + chunks + NEXT)
    assert (answer.status, answer.closes) == (400, True)
    assert answer.headers["x-request-id"] == "one"
    assert "hexadecimal digits" in json.loads(answer.body)["detail"]


UPGRADE = HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
RIGHT = [
    *(
        (HEAD + b"Content-Length: " + it + b"\r\n\r\nabc", "abc")
        for it in (b"3", b"0003", b"\t 3 \t")
    ),
    *((HEAD + b"\r\n", ""), (HEAD + b"Content-Length: 0\r\n\r\n", "")),
    (HEAD + b"CONTENT-LENGTH: 3\r\n\r\nabc", "abc"),
    *(
        (CHUNKED.replace(b"chunked", coding) + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", "abc")
        for coding in (b"chunked", b"Chunked")
    ),
    (CHUNKED + b"00A\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
    (CHUNKED + b'3;a;b=c;d="e;\\"f"\r\nabc\r\n0;g\r\n\r\n', "abc"),
    (CHUNKED + b"3\r\nabc\r\n0\r\nX-A: a\r\nX-B: b\r\n\r\n", "abc"),  # trailers
    # What looks like the end of a head, and of a body, in a chunk.
    (CHUNKED + b"6\r\na\r\n\r\nb\r\n0\r\n\r\n", "a\r\n\r\nb"),
    (CHUNKED + b"7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n\r\n"),
    (b"\r\n\r\n\r\n" + HEAD + b"\r\n", ""),
    *((UPGRADE + b"\r\n", ""), (UPGRADE + b"Content-Length: 3\r\n\r\nabc", "abc")),
    (HEAD + b"Upgrade: h2c\r\nContent-Length: 1\r\n\r\na", "a"),  # which nobody asks for
]


@pytest.mark.parametrize(("sent", "body"), RIGHT)
def test_what_is_a_request_is_answered_and_what_follows_is_another(
    server: Served, sent: bytes, body: str
) -> None:
    first, *others = answers(server, sent + NEXT)
    assert echoed(first)["body"] == body
    if b"Connection: Upgrade" in sent:  # not taken, and the connection not kept
        assert (first.closes, others) == (True, [])
    else:
        assert [each.headers["x-request-id"] for each in others] == ["next"]


TARGETS = {
    b"/echo": ("/echo", "", "a"),
    b"/echo?": ("/echo", "", "a"),
    b"/echo?a=b?c": ("/echo", "a=b?c", "a"),
    b"/%65cho": ("/echo", "", "a"),
    b"http://b/echo": ("/echo", "", "b"),
    b"HTTP://b:80/echo?a": ("/echo", "a", "b:80"),
    b"https://[::1]:80/echo": ("/echo", "", "[::1]:80"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_path_is_read_from_what_is_asked_for(server: Served, target: bytes) -> None:
    [answer] = answers(server, HEAD.replace(b"/echo", target) + b"\r\n")
    told = echoed(answer)
    assert (told["path"], told["query"], told["headers"]["host"]) == TARGETS[target]


@pytest.mark.parametrize("target", [b"//echo", b"/echo/", b"/ECHO", b"/./echo", b"/a/../echo"])
def test_a_path_is_never_tidied(server: Served, target: bytes) -> None:
    [answer] = answers(server, HEAD.replace(b"/echo", target) + b"\r\n")
    assert answer.status == 404


def test_the_server_itself_can_be_asked_what_it_does(server: Served) -> None:
    [answer] = answers(server, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.status == 404  # of this application, which was asked


def test_a_header_that_comes_twice_is_a_list(server: Served) -> None:
    [answer] = answers(server, HEAD + b"X-A: a\r\nx-a: b\r\n\r\n")
    assert echoed(answer)["headers"]["x-a"] == "a, b"


def test_a_header_that_wsgi_could_take_for_another_is_left_out(server: Served) -> None:
    [answer] = answers(server, HEAD + b"X_API_Key: KEY\r\nX-A: a\r\n\r\n")
    headers = echoed(answer)["headers"]
    assert headers["x-a"] == "a"
    assert not [name for name in headers if "key" in name]


def test_a_header_behind_the_body_is_not_read(server: Served) -> None:
    sent = CHUNKED.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nX-A: a\r\n")
    [answer] = answers(server, sent + b"0\r\nX-A: b\r\nX-API-Key: KEY\r\n\r\n")
    headers = echoed(answer)["headers"]
    assert headers["x-a"] == "a"
    assert "x-api-key" not in headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"a" * 20_000, 414),
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (HEAD + b"A: " + b"a" * 20_000, 431),
        (HEAD + b"A: a\r\n" * 4000 + b"\r\n", 431),
    ],
    ids=["a path", "a line", "a header", "headers"],
)
def test_a_head_is_bounded_by_its_bytes(server: Served, sent: bytes, status: int) -> None:
    [answer] = answers(server, sent)
    assert (answer.status, answer.closes) == (status, True)
    assert "16,384 bytes" in json.loads(answer.body)["detail"]


def test_what_no_parser_calls_by_name_has_a_sentence_too() -> None:
    assert heads.said("Something new") == heads.LINE


TOKEN = st.text("abcXYZ019!#$%&'*+.^_`|~-", min_size=1, max_size=8)
VALUE = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=12
)
FIELDS = st.lists(st.tuples(TOKEN, st.sampled_from(["", " ", "\t ", "  "]), VALUE), max_size=6)


class Told:
    """What the parser itself reads of a head."""

    def __init__(self, head: bytes) -> None:
        self.target = b""
        self.fields: list[tuple[str, str]] = []
        self.parser = HttpRequestParser(self)
        self.parser.feed_data(head)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.decode().lower(), value.decode("latin-1").strip(" \t")))


@given(FIELDS, st.sampled_from(["GET", "POST", "DELETE", "PATCH"]))
@example([("A", "", "a:b"), ("a", " ", ""), ("A", "", "c ")], "GET")
def test_a_head_is_read_as_the_parser_reads_it(
    fields: list[tuple[str, str, str]], method: str
) -> None:
    special = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "expect")
    kept = [field for field in fields if field[0].lower() not in special]
    lines = [f"{name}:{space}{value}\r\n" for name, space, value in kept]
    head = f"{method} /a?b HTTP/1.1\r\nHost: a\r\n{''.join(lines)}\r\n".encode("latin-1")
    told, read = Told(head), heads.read(head, MOST)
    assert read.method.encode() == told.parser.get_method()
    assert f"{read.path}?{read.query}".encode() == told.target
    joined: dict[str, str] = {}
    for name, value in told.fields:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    assert read.headers == {name: it for name, it in joined.items() if "_" not in name}


class Kept:
    """Whether the parser itself keeps a connection."""

    def __init__(self, head: bytes) -> None:
        self.kept = False
        self.parser = HttpRequestParser(self)
        with suppress(HttpParserUpgrade):
            self.parser.feed_data(head)

    def on_headers_complete(self) -> None:
        self.kept = self.parser.should_keep_alive() and not self.parser.should_upgrade()


TOLD = st.lists(
    st.lists(st.sampled_from(["close", "Keep-Alive", "upgrade", "close2", "a", "", " close\t"]))
    .map(",".join)
    .map("Connection: {}\r\n".format),
    max_size=2,
).map("".join)


@given(TOLD, st.sampled_from(["1.0", "1.1"]), st.sampled_from(["", "Upgrade: h2c\r\n"]))
def test_a_connection_is_kept_as_the_parser_keeps_it(told: str, version: str, more: str) -> None:
    head = f"GET / HTTP/{version}\r\nHost: a\r\n{told}{more}\r\n".encode()
    keeps, kept = heads.read(head, MOST).keeps, Kept(head).kept
    assert keeps == kept or (kept and version == "1.0")  # told both, we close


def test_bad_heads_without_end_leave_few_lines(
    server: Served, caplog: pytest.LogCaptureFixture
) -> None:
    before = server.listener.invalid.times
    for _ in range(50):
        assert answers(server, b"nonsense\r\n\r\n")
    lines = [line for line in caplog.records if "Invalid request" in line.getMessage()]
    assert server.listener.invalid.times == before + 50
    assert len(lines) < 25
