"""Other ways to write a request: of its path, of its method, and headers that would change either.

Whoever decides by the text of a path, and whoever answers, must read all of these alike.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from random import Random

from tests.fuzz.asked import Request
from tests.fuzz.values import words

HTTP_TARGET = re.compile(rb"(?:/|[a-z]+://)[!-~]*", re.IGNORECASE).fullmatch

# Written where a slash stands.
SLASHES = words(
    r"""// /// /./ /.// /../ /x/../ /%2e/ /%2e%2e/ /x/%2E%2E/ %2f %2F /%2f %2f/ %252f /%252f %25252f
    %u002f \ /\ \/ %5c /%5c %5c/ %255c ;/ /;/ ;a=b/ /;a=b/ %3b/ /%3b/ ?/ #/ %00/ /%00 /%20 %20/
    /%09 %0a/ /%0a /%0d%0a /%2500 %ef%bc%8f %e2%81%84 %e2%88%95 %c0%af %e0%80%af %f0%80%80%af %ff/
    /%e2%80%8b /%ef%bb%bf /%e2%80%ae""",
    *(b"\xef\xbc\x8f", b"\xc0\xaf", b"/\xff", b"/ ", b"/\t", b"/\x00", b"/\x0b", b"/\x85"),
)
# Written before the whole of it; most are open themselves.
PREFIXES = words(
    r"""/ // /// /. /.. /./. /%2e /%2f %2f /%252f /x/.. /static /static/.. /static/%2e%2e
    /static/..%2f.. /static/%252e%252e /v2/health /v2/health/.. /v2/health/%2e%2e /v2/health/../..
    /docs/.. /healthz /healthz/.. /healthz; /healthz? /healthz# /healthz%00 /healthz%0a /healthz%3f
    /healthz\.. /healthz/%5c.. /? /# ? # /v1 /V1 /v1/.. /v2 /admin /admin/.. /models /models/..
    * . ; /; \ /\ /%5c %00 /%00 /%20 http://a http://localhost HTTP://A https://a http://a:80
    http://a@b http://a/ http://a// http://a/%2f http://a/. http://a? http://a# http:// http: http:/
    http:/// ftp://a ws://a file:// x: //a /http://a /http: http://a\ http://[::1] http://a%2f""",
    *(b" ", b"\t"),
)
# Written behind the whole of it.
SUFFIXES = words(
    r"""/ // /. /.. /./ /x/.. /%2e /%2e%2e %2f %2F %252f ; ;a=b %3b ? ?? ?a ?/healthz ?path=/healthz
    ?_method=GET ?%00 ?a=//healthz ?# # #/healthz %23 %3f %3f/healthz & %00 %00.js %00/healthz %20
    %09 %0a %0d%0aX-API-Key:%20a %ff . .. .json %2e + * , ! \ %5c /../../healthz /../../../healthz
    /%2e%2e/%2e%2e/healthz /../../static/docs.js %e2%80%8b %cc%81 %ef%bc%8f %c0%80 % %2 %zz
    %u0000""",
    *(b"\x00", b"\xff", b" "),
)
# Headers that some servers, frameworks and proxies take for the path, its beginning or the method.
FOR_THE_PATH = (
    *("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Path"),
    *("Path-Info", "PATH_INFO", "RAW_URI", "REQUEST_URI", "Request-Uri", "X-Envoy-Original-Path"),
)
FOR_ITS_BEGINNING = ("X-Forwarded-Prefix", "X-Script-Name", "Script-Name", "SCRIPT_NAME")
BEGINNINGS = (b"", b"/", b"//", b"/.", b"/x", b"/admin", b"/healthz", b"/static")
FOR_THE_METHOD = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get")


def spelled(plain: Request) -> Iterator[Request]:
    """Each spelling of a request once: those of its path, its method, and those by headers."""
    path = plain.target
    targets = dict.fromkeys(chain(by_affixes(path), by_slashes(path), by_letters(path)))
    for target in targets:
        yield replace(plain, target=target)
    yield from by_headers(plain)
    yield from by_methods(plain)


def by_methods(plain: Request) -> Iterator[Request]:
    """Of its path with every other method."""
    yield from (replace(plain, method=method) for method in METHODS if method != plain.method)


def by_affixes(path: bytes) -> Iterator[bytes]:
    """With more in front of it or behind it."""
    yield from (prefix + path for prefix in PREFIXES)
    yield from (path + suffix for suffix in SUFFIXES)


def by_slashes(path: bytes) -> Iterator[bytes]:
    """With each of its slashes, and all of them, written otherwise."""
    places = [match.start() for match in re.finditer(b"/", path)]
    for other in SLASHES:
        yield path.replace(b"/", other)
        yield from (path[:at] + other + path[at + 1 :] for at in places)


def by_letters(path: bytes) -> Iterator[bytes]:
    """With its letters in another case, percent-encoded, or what some take for the same."""
    yield from (path.upper(), path.title(), path.swapcase(), path[:2].upper() + path[2:])
    letters = [at for at, byte in enumerate(path) if chr(byte).isalpha()]
    for at in letters[:1] + letters[-1:]:
        for other in _letter(path[at]):
            yield path[:at] + other + path[at + 1 :]
    for forms in zip(*map(_encoded, path), strict=True):
        yield b"".join(
            b"/" if byte == ord("/") else form for byte, form in zip(path, forms, strict=True)
        )
        yield b"/" + b"".join(forms[1:])
        yield b"".join(forms)
    alike = ((b"s", b"%c5%bf"), (b"k", b"%e2%84%aa"), (b"i", b"%c4%b1"), (b"i", b"\xb9"))
    yield from (path.replace(ours, theirs) for ours, theirs in alike)


def _encoded(byte: int) -> list[bytes]:
    """Percent-encoded once or twice, in full width (which NFKC makes ASCII), too long for UTF-8."""
    wide = b"".join(b"%%%02x" % part for part in chr(byte + 0xFEE0).encode())
    overlong = b"%%%02x%%%02x" % (0xC0 | byte >> 6, 0x80 | byte & 0x3F)
    return [b"%%%02x" % byte, b"%%%02X" % byte, b"%%25%02x" % byte, wide, overlong]


def _letter(byte: int) -> Iterator[bytes]:
    """Other ways to write one letter, or it with what some do not see."""
    letter = bytes([byte])
    yield from (*_encoded(byte), b"%%u00%02x" % byte, b"\\%c" % byte)
    yield from (letter + b"%cc%81", letter + b"%e2%80%8b", letter + b"%c2%ad", letter + b"%00")
    yield from (b"%00" + letter, b"%" + letter, letter + b"%", letter.swapcase(), letter + b"\xad")


def by_headers(plain: Request) -> Iterator[Request]:
    """Headers that name it while the request line names another, or that name its beginning."""
    for name in FOR_THE_PATH:
        for target in (b"/healthz", b"/nowhere"):
            yield replace(plain, target=target, headers=(*plain.headers, (name, plain.target)))
    for name in FOR_ITS_BEGINNING:
        for beginning in BEGINNINGS:
            for target in {plain.target, beginning + plain.target}:
                yield replace(plain, target=target, headers=(*plain.headers, (name, beginning)))
    for name in FOR_THE_METHOD:
        for method in ("GET", "POST"):
            told = (name, plain.method.encode())
            yield replace(plain, method=method, headers=(*plain.headers, told))


def drawn(plain: Request, rng: Random) -> Request:
    """Some spellings of a path on top of each other, now and then with a header or a method."""
    others = [plain] * 100 + [*by_headers(plain), *by_methods(plain)]
    request = rng.choice(others)
    for _ in range(rng.randint(1, 3)):
        by = rng.choice((by_affixes, by_slashes, by_letters))
        request = replace(request, target=rng.choice([*by(request.target)] or [b"/"]))
    return request
