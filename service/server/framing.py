"""Where a request ends, for who refuses it without a parser having read it."""

import re

# An answer to HEAD must have no body (RFC 9110, section 9.3.2), which a refusal has.
LINE = re.compile(rb"(?!HEAD )[A-Z]{3,20} /[!-~]* HTTP/1\.1").fullmatch
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([ -~\t]*)").fullmatch
ELSEWHERE = {b"transfer-encoding", b"upgrade", b"expect"}  # it ends, or goes on


def is_whole(request: bytes) -> bool:
    """Whether these bytes are one HTTP/1.1 request after whose refusal a connection may be kept.

    Only what nobody reads in another way is: who keeps a connection after a request that ends
    elsewhere takes the rest of it for the next one (RFC 9112, section 11.2).
    """
    head, end, body = request.partition(b"\r\n\r\n")
    line, *rest = head.split(b"\r\n")
    matches = [FIELD(each) for each in rest]
    if not (end and LINE(line) and all(matches)):
        return False
    fields = {match[1].lower(): match[2].strip(b" \t").lower() for match in matches if match}
    return (
        len(fields) == len(rest)  # none comes twice
        and not ELSEWHERE & fields.keys()
        and fields.get(b"content-length", b"0") == b"%d" % len(body)
        and fields.get(b"connection", b"keep-alive") == b"keep-alive"
        and b"host" in fields
    )
