"""Room for bodies: how many bytes one may have, and all that a worker holds at once."""

from threading import Lock

from models.numbers import whole
from service.errors import BodyTooLarge, MalformedBody, Overloaded
from service.exchange import Request

SMALL = 16 * 1024  # bytes: smaller bodies are not counted, so that large ones keep out no row


class Room:
    """The bytes there are for bodies; `hold` gives a part of them to one request."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._lock = Lock()

    def hold(self) -> "Held":
        """Nothing yet; it grows with the body."""
        return Held(self)

    def take(self, size: int) -> None:
        """Take bytes, to be given back; raises Overloaded when there are not as many."""
        with self._lock:
            if size > self._free:
                raise Overloaded(
                    "The service has no room for a body as large as this one beside those it has; "
                    "try again, or send fewer rows a request."
                )
            self._free -= size

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        with self._lock:
            self._free += size


class Held:
    """What the body of one request takes of the room, until `release`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def grow(self, size: int) -> None:
        """Hold room for `size` bytes in all; raises Overloaded where there is none."""
        if size > max(SMALL, self._taken):
            self._room.take(size - self._taken)
            self._taken = size

    def release(self) -> None:
        """Give back all of it."""
        if self._taken:
            self._room.give_back(self._taken)
            self._taken = 0


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
