"""The body of a request in chunks, as they come."""

from functools import partial
from types import SimpleNamespace

from httptools import HttpParserError, HttpRequestParser

from service.errors import BodyTooLarge, MalformedBody
from service.server.head import CHUNK, END
from service.settings import Settings

PADDING = 16  # bytes that may come with one of a body in chunks: sizes, extensions, trailers


class Chunks:
    """What the chunks hold. `feed` takes what came, and gives what is behind the body."""

    def __init__(self, head: bytes, limits: Settings) -> None:
        """Read the head before them, which its parser wants."""
        self.content = bytearray()
        self.received = 0  # bytes of the connection
        self._limits = limits
        self._tail = b""  # of what came, which may be the beginning of END
        self._ends: list[bool] = []
        calls = {"on_body": self.content.extend}
        calls["on_message_complete"] = partial(self._ends.append, True)
        self._parser = HttpRequestParser(SimpleNamespace(**calls))
        self._parser.feed_data(head)

    @property
    def is_whole(self) -> bool:
        """Whether the last one has come."""
        return bool(self._ends)

    def feed(self, came: bytes) -> bytes:
        """Raises MalformedBody and BodyTooLarge."""
        while came and not self.is_whole:
            end = (self._tail + came).find(END)  # a chunk may hold what looks like it
            part = came if end < 0 else came[: end + len(END) - len(self._tail)]
            self._tail = (self._tail + part)[1 - len(END) :] if end < 0 else b""
            came = came[len(part) :]
            self._read(part)
        return came

    def _read(self, part: bytes) -> None:
        """Nothing is read behind the end, also where it is not the end of the part."""
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
