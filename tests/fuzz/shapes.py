"""HTTP that is ambiguous, broken or none at all (RFC 9112, section 11; RFC 9110, section 5.5)."""

from hypothesis import strategies as st

from tests.fuzz.asked import PARTS, chunks
from tests.fuzz.values import one_of
from tests.servers import BODY

# Whoever answers these has taken the end of one request for another.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"
PROBE = b"GET /version HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: probe\r\n\r\n"

METHODS = one_of("POST GET post BREW ( OPTIONS", b"PO ST", b"P\x00ST", b"", b"A" * 5000)
TARGETS = one_of(
    """/predict /v1/models/calories:predict /v2/models/calories/infer * predict ? //predict
    http://elsewhere/predict http:// /predict#a /%""",
    *(b"", b"/\x00", b"/\xff", b"/a b", b"/" + b"a" * 70_000, b"/models/calories/" + b"9" * 5000),
) | PARTS.map(lambda part: b"/" + part)
VERSIONS = one_of(6 * "HTTP/1.1 " + "HTTP/1.0 HTTP/2.0 HTTP/9 http/1.1", b"")
LENGTH, CODING = b"Content-Length: ", b"Transfer-Encoding: chunked"
ALL, BOTH = b"%d" % len(SMUGGLED), b"%d" % (5 + len(SMUGGLED))  # 5: the end of chunks
END = b"\r\n\r\n0\r\n\r\n"
# The smuggled request ends each: what is honest about its length ends there too, or before it.
AMBIGUOUS = st.sampled_from(
    [
        LENGTH + BOTH + b"\r\n" + CODING + END,
        CODING + b"\r\n" + LENGTH + b"5" + END,
        LENGTH + b"0\r\n" + LENGTH + ALL + b"\r\n\r\n",
        LENGTH + ALL + b"\r\n" + LENGTH + b"0\r\n\r\n",
        *(LENGTH + sign + ALL + b"\r\n\r\n" for sign in (b"0, ", b"-", b"+")),
        LENGTH + ALL + b"\r\nTransfer-Encoding: xchunked\r\n\r\n",
        LENGTH + ALL + b"\r\nTransfer-Encoding: \x0bchunked\r\n\r\n",
        LENGTH + BOTH + b"\r\nTransfer-Encoding : chunked" + END,
        LENGTH + ALL + b"\r\n" + CODING + b", identity\r\n\r\n",
        LENGTH + BOTH + b"\r\nTransfer-Encoding:\r\n chunked" + END,
        LENGTH + BOTH + b"\r\n" + CODING + b"\n\r\n0\r\n\r\n",
    ]
).map(lambda head: head + SMUGGLED)
FRAMED = one_of(
    f"{len(BODY)} 0{len(BODY)} 1 1000 many 0x21 1e2 ٣ 33;a -0 3.0",
    *(b"", b"33 33", b"9" * 19, b"9" * 21, b"9" * 5000, b"0" * 5000 + b"1"),
).map(lambda length: LENGTH + length + b"\r\n\r\n" + BODY)
CHUNKED = st.sampled_from(
    [
        *(chunks(BODY), chunks(BODY, 1), chunks(BODY)[:-2] + b"Content-Length: 5\r\n\r\n"),
        *(chunks(BODY).replace(b"\r\n", b"\n"), chunks(BODY).replace(b"\r\n", b';a="\r\n', 1)),
        *(b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n", b"f" * 20 + b"\r\na", b"\r\n\r\n"),
        *(b"5\r\nabcdefgh\r\n0\r\n\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n", b"5;" + b"a" * 100_000),
        *(b" 5\r\nabcde\r\n0\r\n\r\n", b"3\r\nab", b"", b"0\r\n" + b"A: a\r\n" * 5000 + b"\r\n"),
    ]
).map(lambda body: CODING + b"\r\n\r\n" + body)
# With neither length nor coding there is no body (RFC 9112, section 6.3): a request follows.
UNFRAMED = st.sampled_from([BODY, BODY + b"\r\n\r\n", b"\r\n", b"0\r\n\r\n", b"", b"\x00"]).map(
    lambda body: b"\r\n" + body
)
FIELD = st.sampled_from(
    [
        *(b"X-A: a", b"X-A: a\r\n b", b"X A: a", b": a", b"no colon", b"X-A: \x00", b"X-A: \xff"),
        *(b"X-A: a\nX-B: b", b"X-A: a\rX-B: b", b"X_A: a", b"\x00", b"X-A:" + b" " * 9000),
        *(b"X-A: " + b"a" * 100_000, b"\r\n".join([b"A: a"] * 200), b"Host: another"),
        *(b"Expect: a reply", b"Expect: 100-continue", b"Connection: close", b"Upgrade: h2c"),
        *(b"Content-Encoding: gzip", b"X-Forwarded-Proto: https", b"Connection: Content-Length"),
        *(b"SCRIPT_NAME: /x", b"Script-Name: /x", b"Host: a b/\xff", b"TE: trailers;q=x"),
    ]
)
FIELDS = st.lists(FIELD, max_size=2)


def _shape(rest: bytes, fields: list[bytes], *line: bytes) -> bytes:
    known = (b"Host: localhost", b"Content-Type: application/json", b"X-Request-Id: shape")
    first = b" ".join(line) or b"POST /predict HTTP/1.1"
    return b"\r\n".join([first, *known, *fields, rest])


TWO_LENGTHS = AMBIGUOUS.map(lambda rest: _shape(rest, []))
SHAPES = st.one_of(
    TWO_LENGTHS,
    *(st.builds(_shape, rest, FIELDS) for rest in (AMBIGUOUS, FRAMED, CHUNKED, UNFRAMED)),
    st.builds(_shape, FRAMED, FIELDS).map(lambda shape: shape.replace(b"\r\n", b"\n")),
    st.builds(_shape, FRAMED | CHUNKED, FIELDS, METHODS, TARGETS, VERSIONS),
    st.binary(min_size=1).map(lambda junk: junk + b"\r\n\r\n"),
    st.sampled_from([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM"]),
)
