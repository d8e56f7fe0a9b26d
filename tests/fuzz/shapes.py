"""HTTP that is ambiguous, broken or none at all (RFC 9112, section 11; RFC 9110, section 5.5)."""

import json

from hypothesis import strategies as st

from tests.fuzz.asked import PARTS, chunks

BODY = json.dumps({"sugar": 5, "fiber": 1, "protein": 2}).encode()
# Whoever answers these has taken the end of one request for another.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: smuggled\r\n\r\n"
PROBE = b"GET /version HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: probe\r\n\r\n"

METHODS = st.sampled_from(
    [b"POST", b"GET", b"post", b"BREW", b"PO ST", b"P\x00ST", b"(", b"", b"OPTIONS", b"A" * 5000]
)
TARGETS = st.sampled_from(
    [
        *(b"/predict", b"/v1/models/calories:predict", b"/v2/models/calories/infer", b"*", b""),
        *(
            b"predict",
            b"?",
            b"//predict",
            b"http://elsewhere/predict",
            b"http://",
            b"/\x00",
            b"/\xff",
        ),
        *(b"/a b", b"/predict#a", b"/" + b"a" * 70_000, b"/%", b"/models/calories/" + b"9" * 5000),
    ]
) | PARTS.map(lambda part: b"/" + part)
VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"http/1.1", b""]
)
# The smuggled request ends each: what is honest about its length ends there too, or before it.
AMBIGUOUS = st.sampled_from(
    [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)),
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: 0, %d\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: -%d\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: +%d\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: %d\r\nTransfer-Encoding: \x0bchunked\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: %d\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)),
        b"Content-Length: %d\r\nTransfer-Encoding: chunked, identity\r\n\r\n" % len(SMUGGLED),
        b"Content-Length: %d\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"
        % (5 + len(SMUGGLED)),
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\n\r\n0\r\n\r\n" % (5 + len(SMUGGLED)),
    ]
).map(lambda head: head + SMUGGLED)
LENGTHS = [
    *(
        b"%d" % len(BODY),
        b"0%d" % len(BODY),
        b"1",
        b"1000",
        b"many",
        b"",
        b"0x21",
        b"33 33",
        b"1e2",
    ),
    *(b"9" * 19, b"9" * 21, b"9" * 5000, b"0" * 5000 + b"1", "٣".encode(), b"33;a", b"-0", b"3.0"),
]
FRAMED = st.sampled_from([b"Content-Length: " + each + b"\r\n\r\n" + BODY for each in LENGTHS])
CHUNKED = st.sampled_from(
    [
        *(chunks(BODY), chunks(BODY, 1), chunks(BODY)[:-2] + b"Content-Length: 5\r\n\r\n"),
        *(chunks(BODY).replace(b"\r\n", b"\n"), chunks(BODY).replace(b"\r\n", b';a="\r\n', 1)),
        *(b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\na\r\n0\r\n\r\n", b"f" * 20 + b"\r\na", b"\r\n\r\n"),
        *(b"5\r\nabcdefgh\r\n0\r\n\r\n", b"0x5\r\nabcde\r\n0\r\n\r\n", b"5;" + b"a" * 100_000),
        *(b" 5\r\nabcde\r\n0\r\n\r\n", b"3\r\nab", b"", b"0\r\n" + b"A: a\r\n" * 5000 + b"\r\n"),
    ]
).map(lambda body: b"Transfer-Encoding: chunked\r\n\r\n" + body)
# With neither length nor coding there is no body (RFC 9112, section 6.3): a request follows.
UNFRAMED = st.sampled_from([BODY, BODY + b"\r\n\r\n", b"\r\n", b"0\r\n\r\n", b"", b"\x00"]).map(
    lambda body: b"\r\n" + body
)
FIELDS = st.lists(
    st.sampled_from(
        [
            *(
                b"X-A: a",
                b"X-A: a\r\n b",
                b"X A: a",
                b": a",
                b"no colon",
                b"X-A: \x00",
                b"X-A: \xff",
            ),
            *(b"X-A: a\nX-B: b", b"X-A: a\rX-B: b", b"X_A: a", b"\x00", b"X-A:" + b" " * 9000),
            *(b"X-A: " + b"a" * 100_000, b"\r\n".join([b"A: a"] * 200), b"Host: another"),
            *(b"Expect: a reply", b"Expect: 100-continue", b"Connection: close", b"Upgrade: h2c"),
            *(
                b"Content-Encoding: gzip",
                b"X-Forwarded-Proto: https",
                b"Connection: Content-Length",
            ),
            *(b"SCRIPT_NAME: /x", b"Script-Name: /x", b"Host: a b/\xff", b"TE: trailers;q=x"),
        ]
    ),
    max_size=2,
)


def _shape(method: bytes, target: bytes, version: bytes, fields: list[bytes], rest: bytes) -> bytes:
    lines = [
        b"%s %s %s" % (method, target, version),
        *(b"Host: localhost", b"Content-Type: application/json", b"X-Request-Id: shape"),
        *fields,
        rest,
    ]
    return b"\r\n".join(lines)


POST, PREDICT, ONE = st.just(b"POST"), st.just(b"/predict"), st.just(b"HTTP/1.1")
TWO_LENGTHS = st.builds(_shape, POST, PREDICT, ONE, st.just([]), AMBIGUOUS)
SHAPES = st.one_of(
    TWO_LENGTHS,
    st.builds(_shape, POST, PREDICT, ONE, FIELDS, AMBIGUOUS),
    st.builds(_shape, POST, PREDICT, ONE, FIELDS, FRAMED),
    st.builds(_shape, POST, PREDICT, ONE, FIELDS, CHUNKED),
    st.builds(_shape, METHODS, TARGETS, VERSIONS, FIELDS, FRAMED | CHUNKED),
    st.builds(_shape, POST, PREDICT, ONE, FIELDS, FRAMED).map(
        lambda shape: shape.replace(b"\r\n", b"\n")
    ),
    st.builds(_shape, POST, PREDICT, ONE, FIELDS, UNFRAMED),
    st.binary(min_size=1).map(lambda junk: junk + b"\r\n\r\n"),
    st.sampled_from([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nSM"]),
)
