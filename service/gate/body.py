"""How long the body of a request says that it is, and how long it may be."""

from models.numbers import whole
from service.errors import BodyTooLarge, MalformedBody
from service.exchange import Request


def declared(request: Request, limit: int) -> int | None:
    """The declared length in bytes, None where there is none.

    Raises BodyTooLarge when it is over `limit`, and MalformedBody for what is no number.
    """
    length = request.headers.get("content-length")
    if not length:
        return None
    size = whole(length, limit)
    if size is not None:
        return size
    if length.isdecimal():
        raise BodyTooLarge(limit)
    raise MalformedBody(f"expected Content-Length in digits, received {length[:40]!r}.")
