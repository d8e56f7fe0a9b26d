"""Strategies for requests that are HTTP and speak a dialect, rightly or wrongly."""

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.fuzz import bodies
from tests.fuzz.values import Bytes, damaged, mostly, one_of
from tests.overload.worst import UNASKED, Worst, worst

Asked = st.SearchStrategy["Request"]
Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Request:
    """One request; `head` is its first lines without length, framing and id."""

    dialect: str
    method: str
    target: bytes
    headers: Headers = ()
    body: bytes = b""
    chunked: bool = False

    def raw(self, request_id: str) -> bytes:
        """The bytes to send."""
        length, body = b"Content-Length: %d" % len(self.body), self.body
        if self.chunked:
            length, body = b"Transfer-Encoding: chunked", chunks(body)
        lines = [
            b"%s %s HTTP/1.1" % (self.method.encode(), self.target),
            b"Host: localhost",
            b"X-Request-Id: %s" % request_id.encode(),
            *(name.encode() + b": " + value for name, value in self.headers),
            length,
        ]
        return b"\r\n".join([*lines, b"", body])


def chunks(body: bytes, size: int = 4096) -> bytes:
    """The body in chunks (RFC 9112, section 7.1)."""
    parts = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


PARTS = one_of(
    """calories linear-unit nothing 1 0 stable canary -1 01 %00 %zz % %2f %2e%2e %c0%af %ff %e9
    %0d%0aA:%20b .. * a:b ; %3cscript%3e""",
    *(b"", b"9" * 20, b"9" * 3000, b"a" * 3000, b"%41" * 900),
)
VALUES = PARTS | st.binary(max_size=6).map(lambda text: b"".join(b"%%%02x" % byte for byte in text))
PAIRS = st.builds(bytes.__add__, one_of("model= version= label= model modle= = %00="), VALUES)
QUERIES = st.lists(PAIRS, max_size=3).map(lambda pairs: b"?" + b"&".join(pairs) if pairs else b"")
METHODS = one_of("GET HEAD POST PUT DELETE PATCH OPTIONS TRACE BREW").map(bytes.decode)
TYPES = one_of(
    "application/json text/csv text/html application/vnd.apache.arrow.stream ; */*",
    *(b"application/json; charset=latin-1", b"", b"\xff\xe9", b"a" * 3000),
)
ACCEPTS = TYPES | one_of("*/*;q=0 text/csv;q=9 ,,,;q=", b"text/*, */*;q=0.1")
DISTURBING: dict[str, Bytes] = {
    "Accept": ACCEPTS,
    "X-Canary-Key": VALUES | st.just(b"\xff\xe9"),
    "Content-Encoding": one_of("gzip identity", b"br, gzip"),
    "X-Forwarded-For": VALUES,
    "Cookie": VALUES,
    "Range": st.just(b"bytes=9-1"),
    "If-None-Match": st.just(b'W/"'),
}
EXTRA = st.lists(
    st.one_of(*(st.tuples(st.just(name), value) for name, value in DISTURBING.items())), max_size=2
).map(tuple)


def posts(
    dialect: str, targets: Bytes, content_type: bytes | None, body: Bytes, method: str = "POST"
) -> Asked:
    """Such bodies to such targets; now and then with headers that disturb."""
    own: Headers = (("Content-Type", content_type),) if content_type is not None else ()
    usual: st.SearchStrategy[Headers] = st.just(own)
    odd = st.builds(lambda kind, more: (("Content-Type", kind), *more), TYPES, EXTRA)
    headers = mostly(usual, EXTRA.map(lambda more: (*own, *more)), odd)
    chunked = st.sampled_from([False, False, False, True])
    return st.builds(Request, st.just(dialect), st.just(method), targets, headers, body, chunked)


def paths(known: str) -> Bytes:
    """These, most of the time; else with a part put into them or a query after them."""
    usual = one_of(known)
    queried = st.builds(bytes.__add__, usual, QUERIES)
    split = st.builds(
        lambda path, at, part: b"/".join([*path.split(b"/")[:at], part, *path.split(b"/")[at:]]),
        usual,
        st.integers(1, 6),
        PARTS,
    )
    return mostly(usual, queried, split)


KNOWN = paths(
    """/ /models /models/calories /models/calories/1 /models/calories/1/report /healthz /readyz
    /version /metrics /models/calories/1/training /docs /openapi.json /admin/status
    /admin/models/calories/labels/canary /predict /explain /v1 /v1/models/calories
    /v1/models/calories/metadata /v1/models/calories/versions/1
    /v1/models/calories/labels/stable/metadata /v2 /v2/health/live /v2/models/calories
    /v2/models/calories/ready /v2/models/calories/versions/1/ready"""
)
PREDICT, EXPLAIN = paths("/predict"), paths("/explain")
LABEL, ROLLBACK = (
    paths("/admin/models/calories/labels/canary"),
    paths("/admin/models/calories/rollback"),
)
ROWS_OF_V1 = paths("/v1/models/calories:predict /v1/models/calories:explain")
EXAMPLES_OF_V1 = paths("/v1/models/calories:regress /v1/models/calories:classify")
INFER = "/v2/models/calories/infer"


@st.composite
def binary(draw: st.DrawFn) -> Request:
    """V2 with raw tensors behind the JSON, and a header that says, or does not, where they are."""
    text, raw = draw(bodies.V2_JSON), draw(bodies.RAW)
    stated = draw(
        st.just(b"%d" % len(text)) | one_of("-1 0 1e3", b"", b"9" * 3000, b"\xb2", b"1, 2")
    )
    asked = draw(posts("v2", paths(INFER), None, st.just(text + raw)))
    return replace(asked, headers=(*asked.headers, ("Inference-Header-Content-Length", stated)))


WORST = [each for each in worst() if each.name != UNASKED]  # that is refused before it is read


def _worst(each: Worst, exponent: int, *, chunked: bool) -> Request:
    """One of the worst bodies, of 1 KiB to 1 MiB; `make soak-bodies` sends whole ones."""
    first = each.path.split("/")[1]
    dialect = first if first in {"v1", "v2"} else "native"
    headers = tuple((name, value.encode()) for name, value in each.headers.items())
    body = each.make(2**exponent)
    return Request(dialect, each.method, each.path.encode(), headers, body, chunked)


JSON, CSV, ARROW = b"application/json", b"text/csv", b"application/vnd.apache.arrow.stream"
READY = damaged(st.just(b'{"ready":true}'))
ASKED: dict[str, Asked] = {
    "native": posts("native", PREDICT, JSON, bodies.NATIVE),
    "explain": posts("native", EXPLAIN, JSON, bodies.NATIVE),
    "csv": posts("native", PREDICT, CSV, bodies.CSV),
    "arrow": posts("native", PREDICT, ARROW, bodies.ARROW),
    "v1": posts("v1", ROWS_OF_V1, None, bodies.V1_ROWS)
    | posts("v1", EXAMPLES_OF_V1, None, bodies.V1_EXAMPLES),
    "v2": posts("v2", paths(f"{INFER} /v2/models/calories/versions/1/infer"), JSON, bodies.V2_JSON)
    | posts("v2", paths("/v2/repository/index"), JSON, READY),
    "v2-binary": binary(),
    "admin": posts("native", LABEL, JSON, bodies.MOVES, "PUT")
    | posts("native", ROLLBACK, JSON, bodies.ROLLBACKS),
    "worst": st.builds(_worst, st.sampled_from(WORST), st.integers(10, 20), chunked=st.booleans()),
    "routes": st.builds(
        Request, st.just("any"), METHODS, KNOWN, EXTRA, st.just(b"") | bodies.NATIVE
    ),
}
