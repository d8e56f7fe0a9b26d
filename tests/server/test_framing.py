"""Where a request that is refused ends: what is called whole gunicorn reads as one request."""

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser
from hypothesis import example, given

from service.server.framing import is_whole
from tests.fuzz.shapes import AMBIGUOUS, SHAPES

HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"Content-Length: 4\r\n\r\nnull",
        HEAD + b"content-length:4 \r\nConnection: Keep-Alive\r\n\r\nnull",
        HEAD + b"Content-Length: 0\r\n\r\n",
    ],
)
def test_a_request_that_ends_with_its_bytes_is_whole(request_: bytes) -> None:
    assert is_whole(request_)


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        HEAD,
        HEAD + b"Content-Length: 5\r\n\r\nnull",
        HEAD + b"Content-Length: 3\r\n\r\nnull",
        HEAD + b"Content-Length: 04\r\n\r\nnull",
        HEAD + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nnull",
        HEAD + b"Content-Length : 4\r\n\r\nnull",
        HEAD + b"X: \r\n Content-Length: 4\r\n\r\nnull",
        HEAD + b"X: a\nContent-Length: 4\r\n\r\nnull",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\nnull",
        HEAD + b"Content-Length: 4\r\nConnection: close\r\n\r\nnull",
        HEAD + b"Content-Length: 4\r\nConnection: upgrade\r\n\r\nnull",
        HEAD + b"Content-Length: 4\r\nUpgrade: h2c\r\n\r\nnull",
        HEAD + b"\r\nnull",
        b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nAccept: */*\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ],
)
def test_one_that_ends_elsewhere_or_nobody_knows_where_is_not(request_: bytes) -> None:
    assert not is_whole(request_)


@given(AMBIGUOUS)
def test_one_with_two_lengths_is_not(rest: bytes) -> None:
    assert not is_whole(HEAD + rest)


@given(SHAPES)
@example(HEAD + b"Content-Length: 4\r\n\r\nnull")
def test_gunicorn_reads_what_is_whole_as_one_request_and_would_keep_its_connection(
    shape: bytes,
) -> None:
    if not is_whole(shape):
        return
    roomy = Config()
    roomy.set("limit_request_line", 0)
    roomy.set("limit_request_field_size", 1_000_000)
    roomy.set("limit_request_fields", 1000)
    parser = RequestParser(roomy, iter([shape]), ("127.0.0.1", 1))
    read = next(parser)
    assert read.body is not None
    assert read.body.read() == shape.partition(b"\r\n\r\n")[2]
    assert parser.unreader.read() == b""
    assert not read.should_close()
