"""The body of a request, as its parts come."""

from functools import partial
from types import SimpleNamespace

from httptools import HttpParserError, HttpRequestParser

from service.errors import BodyTooLarge, MalformedBody
from service.server.head import CHUNK, END
from service.settings import Settings

PADDING = 16  # bytes that may come with one of a body in chunks: sizes, extensions, trailers


class Body:
    """One of a known length. `feed` takes what came, and gives what is behind the body."""

    def __init__(self, length: int) -> None:
        self.content = bytearray()
        self.received = length  # bytes that it takes, or has taken, of the connection
        self.is_whole = length == 0

    def feed(self, came: bytes) -> bytes:
        """Take what belongs to it."""
        part = came[: self.received - len(self.content)]
        self.content += part
        self.is_whole = len(self.content) == self.received
        return came[len(part) :]

    def taken(self) -> bytes:
        """Its content, which is not held here any more."""
        content = bytes(self.content)
        self.content.clear()
        return content


class Chunks(Body):
    """One in chunks, which say how long it is; its parser has read the head before them."""

    def __init__(self, head: bytes, limits: Settings) -> None:
        super().__init__(0)
        self._limits = limits
        self._tail = b""  # of what came, which may be the beginning of END
        self._ends: list[bool] = []
        self.is_whole = False
        calls = {"on_body": self.content.extend}
        calls["on_message_complete"] = partial(self._ends.append, True)
        self._parser = HttpRequestParser(SimpleNamespace(**calls))
        self._parser.feed_data(head)

    def feed(self, came: bytes) -> bytes:
        """Raises MalformedBody and BodyTooLarge."""
        end = (self._tail + came).find(END)  # a chunk may hold what looks like it
        part = came if end < 0 else came[: end + len(END) - len(self._tail)]
        self._tail = (self._tail + part)[1 - len(END) :] if end < 0 else b""
        self.received += len(part)
        try:
            self._parser.feed_data(part)
        except HttpParserError as error:
            raise MalformedBody(CHUNK) from error
        size, limits = len(self.content), self._limits
        if size > limits.max_body_bytes:
            raise BodyTooLarge(limits.max_body_bytes)
        if self.received > PADDING * size + limits.max_header_bytes:
            raise MalformedBody(CHUNK)
        self.is_whole = bool(self._ends)  # else nothing more is read, also where it ended here
        return came[len(part) :]
