"""Strategies for requests that are HTTP and speak a dialect, rightly or wrongly."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.fuzz import bodies
from tests.fuzz.values import Bytes, damaged, mostly
from tests.overload.worst import UNASKED, Worst, worst

Asked = st.SearchStrategy["Request"]
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Request:
    """One request; `head` is its first lines without length, framing and id."""

    dialect: str
    method: str
    target: bytes
    headers: Headers
    body: bytes
    chunked: bool

    def raw(self, request_id: str) -> bytes:
        """The bytes to send."""
        lines = [
            b"%s %s HTTP/1.1" % (self.method.encode(), self.target),
            b"Host: localhost",
            b"X-Request-Id: %s" % request_id.encode(),
            *(name.encode() + b": " + value for name, value in self.headers),
        ]
        if self.chunked:
            lines.append(b"Transfer-Encoding: chunked")
        else:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join([*lines, b"", chunks(self.body) if self.chunked else self.body])


def chunks(body: bytes, size: int = 4096) -> bytes:
    """The body in chunks (RFC 9112, section 7.1)."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


PARTS = st.sampled_from(
    [
        *(b"calories", b"linear-unit", b"nothing", b"1", b"0", b"stable", b"canary", b"-1", b"01"),
        *(
            b"%00",
            b"%zz",
            b"%",
            b"%2f",
            b"%2e%2e",
            b"%c0%af",
            b"%ff",
            b"%e9",
            b"%0d%0aA:%20b",
            b"..",
        ),
        *(
            b"9" * 20,
            b"9" * 3000,
            b"a" * 3000,
            b"%41" * 900,
            b"",
            b"*",
            b"a:b",
            b";",
            b"%3cscript%3e",
        ),
    ]
)
VALUES = PARTS | st.binary(max_size=6).map(lambda text: b"".join(b"%%%02x" % byte for byte in text))
QUERIES = st.lists(
    st.builds(
        lambda name, value: name + value,
        st.sampled_from([b"model=", b"version=", b"label=", b"model", b"modle=", b"=", b"%00="]),
        VALUES,
    ),
    max_size=3,
).map(lambda pairs: b"?" + b"&".join(pairs) if pairs else b"")
METHODS = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]
)
TYPES = st.sampled_from(
    [
        *(b"application/json", b"application/json; charset=latin-1", b"text/csv", b"text/html"),
        *(b"application/vnd.apache.arrow.stream", b"", b";", b"\xff\xe9", b"a" * 3000, b"*/*"),
    ]
)
ACCEPTS = TYPES | st.sampled_from([b"*/*;q=0", b"text/csv;q=9", b",,,;q=", b"text/*, */*;q=0.1"])
EXTRA = st.lists(
    st.one_of(
        st.tuples(st.just("Accept"), ACCEPTS),
        st.tuples(st.just("X-Canary-Key"), VALUES | st.just(b"\xff\xe9")),
        st.tuples(
            st.just("Content-Encoding"), st.sampled_from([b"gzip", b"identity", b"br, gzip"])
        ),
        st.tuples(st.just("X-Forwarded-For"), VALUES),
        st.tuples(st.just("Cookie"), VALUES),
        st.tuples(st.just("Range"), st.just(b"bytes=9-1")),
        st.tuples(st.just("If-None-Match"), st.just(b'W/"')),
    ),
    max_size=2,
).map(tuple)


def posts(dialect: str, targets: Bytes, content_type: bytes | None, body: Bytes) -> Asked:
    """POST with such bodies to such targets; now and then with headers that disturb."""
    own: Headers = (("Content-Type", content_type),) if content_type is not None else ()
    usual: st.SearchStrategy[Headers] = st.just(own)
    odd = st.builds(lambda kind, more: (("Content-Type", kind), *more), TYPES, EXTRA)
    headers = mostly(usual, EXTRA.map(lambda more: (*own, *more)), odd)
    chunked = st.sampled_from([False, False, False, True])
    return st.builds(Request, st.just(dialect), st.just("POST"), targets, headers, body, chunked)


def paths(*known: bytes) -> Bytes:
    """These, most of the time; else with a part put into them or a query after them."""
    usual = st.sampled_from(known)
    queried = st.builds(lambda path, query: path + query, usual, QUERIES)
    split = st.builds(
        lambda path, at, part: b"/".join([*path.split(b"/")[:at], part, *path.split(b"/")[at:]]),
        usual,
        st.integers(1, 6),
        PARTS,
    )
    return mostly(usual, queried, split)


V1_MODEL = b"/v1/models/calories"
V2_MODEL = b"/v2/models/calories"
LABEL = b"/admin/models/calories/labels/canary"
ROLLBACK = b"/admin/models/calories/rollback"
KNOWN = paths(
    *(b"/", b"/models", b"/models/calories", b"/models/calories/1", b"/models/calories/1/report"),
    *(b"/healthz", b"/readyz", b"/version", b"/metrics", b"/v1", V1_MODEL, V1_MODEL + b"/metadata"),
    *(V1_MODEL + b"/versions/1", V1_MODEL + b"/labels/stable/metadata", b"/v2", b"/v2/health/live"),
    *(b"/models/calories/1/training", b"/docs", b"/openapi.json", b"/admin/status", LABEL),
    *(V2_MODEL, V2_MODEL + b"/ready", V2_MODEL + b"/versions/1/ready", b"/predict", b"/explain"),
)


@st.composite
def binary(draw: st.DrawFn) -> Request:
    """V2 with raw tensors behind the JSON, and a header that says, or does not, where they are."""
    text, raw = draw(bodies.V2_JSON), draw(bodies.RAW)
    stated = draw(
        st.just(b"%d" % len(text))
        | st.sampled_from([b"-1", b"9" * 3000, b"0", b"", b"1e3", b"\xb2", b"1, 2"])
    )
    asked = draw(posts("v2", paths(V2_MODEL + b"/infer"), None, st.just(text + raw)))
    headers = (*asked.headers, ("Inference-Header-Content-Length", stated))
    return Request("v2", "POST", asked.target, headers, asked.body, asked.chunked)


WORST = [each for each in worst() if each.name != UNASKED]  # that is refused before it is read


def _worst(each: Worst, exponent: int, *, chunked: bool) -> Request:
    """One of the worst bodies, of 1 KiB to 1 MiB; `make soak-bodies` sends whole ones."""
    path = each.path.encode()
    dialect = {b"v1": "v1", b"v2": "v2"}.get(path.split(b"/")[1], "native")
    headers = tuple((name, value.encode()) for name, value in each.headers.items())
    return Request(dialect, each.method, path, headers, each.make(2**exponent), chunked)


JSON = b"application/json"
ASKED: dict[str, Asked] = {
    "native": posts("native", paths(b"/predict"), JSON, bodies.NATIVE),
    "explain": posts("native", paths(b"/explain"), JSON, bodies.NATIVE),
    "csv": posts("native", paths(b"/predict"), b"text/csv", bodies.CSV),
    "arrow": posts(
        "native", paths(b"/predict"), b"application/vnd.apache.arrow.stream", bodies.ARROW
    ),
    "v1": posts("v1", paths(V1_MODEL + b":predict", V1_MODEL + b":explain"), None, bodies.V1_ROWS)
    | posts("v1", paths(V1_MODEL + b":regress", V1_MODEL + b":classify"), None, bodies.V1_EXAMPLES),
    "v2": posts(
        "v2", paths(V2_MODEL + b"/infer", V2_MODEL + b"/versions/1/infer"), JSON, bodies.V2_JSON
    )
    | posts("v2", paths(b"/v2/repository/index"), JSON, damaged(st.just(b'{"ready":true}'))),
    "v2-binary": binary(),
    "admin": posts("native", paths(LABEL), JSON, bodies.MOVES).map(
        lambda asked: replace(asked, method="PUT")
    )
    | posts("native", paths(ROLLBACK), JSON, bodies.ROLLBACKS),
    "worst": st.builds(_worst, st.sampled_from(WORST), st.integers(10, 20), chunked=st.booleans()),
    "routes": st.builds(
        Request, st.just("any"), METHODS, KNOWN, EXTRA, st.just(b"") | bodies.NATIVE, st.just(False)
    ),
}
