"""What pages and their files are sent with."""

from hashlib import sha256

from werkzeug.http import parse_etags

from service.exchange import Exchange, Headers, Response

HTML = "text/html; charset=utf-8"
# A page may load scripts, styles and data from this service only. Nothing is inline and nothing
# comes from elsewhere, so that text which finds its way into a page is never run.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A report has its style and pictures in it: nothing else may load, and no script may run.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def guards(policy: str = POLICY) -> Headers:
    """The headers that keep a page safe."""
    return (
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )


def revalidated(
    exchange: Exchange,
    body: bytes,
    content_type: str,
    headers: Headers = (),
    caching: str = "no-cache",
) -> Response:
    """An answer of which a browser asks at each visit whether it is still the same (304)."""
    tag = sha256(body).hexdigest()[:32]
    headers = (*headers, ("Cache-Control", caching), ("ETag", f'"{tag}"'))
    if parse_etags(exchange.request.header("if-none-match")).contains_weak(tag):
        return Response(304, b"", content_type, headers)
    return Response(200, body, content_type, headers)
