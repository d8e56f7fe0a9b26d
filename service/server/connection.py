"""One connection: bytes from uvloop, through httptools, to exchanges, and their answers back.

`_serve` is what happens: one request after another, each received, answered and told of. It is a
generator that yields the phase in which it waits: for its client, or for none (None), until it is
let go on. Nothing of the next request is given to the parser before this one is answered. What the
parser calls does nothing but collect: an exception in it would look like an error of what is read.
"""

import asyncio
import logging
from collections.abc import Generator
from functools import partial
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from service.api.native.errors import NATIVE
from service.errors import BodyTooLarge, MalformedBody, Overloaded, ServiceError, TooSlow
from service.exchange import Exchange, Request
from service.server import head as heads
from service.server.head import Head, NotHTTP
from service.server.response import CONTINUE, encode

if TYPE_CHECKING:
    from service.exchange import Response
    from service.server.listener import Listener, Phase

log = logging.getLogger("service")

END = b"\r\n\r\n"  # of a head, and of a body in chunks
ANSWERS_A_TURN = 8  # of the loop, to one connection
DRAINED = 64 * 1024  # bytes of a body that are read over to keep the connection of who is refused
SMALL_PART = 4096  # bytes: a smaller part of a body is made larger by the next
PADDING = 16  # bytes that may come with one of a body in chunks: sizes, extensions, trailers

BROKE_OFF = "The body broke off before its end; send it again."
SLOW = "The body took longer than BODY_SECONDS allows, {:g} s; send it again."
BUSY = "The service is busy: an answer would have to wait for more than {:g} s; try again."

Steps = Generator["Phase | None", None, None]


class Connection(asyncio.Protocol):
    """Reads requests one by one, has each answered and writes the answers in their order."""

    def __init__(self, listener: "Listener", client: str) -> None:
        self._listener = listener
        self._limits = listener.settings
        self._application = listener.application
        self._client = client
        self._parser = HttpRequestParser(self)
        self._held = listener.room.hold()
        self._exchange: Exchange | None = None
        self._phase: Phase | None = None
        self._unread = b""
        self._paused = False  # reading what comes
        self._stalled = False  # the client, which takes no more answers
        self._ended = False  # what the client has to say
        self._closing = False  # the last answer is written
        self._handed_on = False  # to a thread
        self.is_made = False  # TLS comes before
        self.is_used = False  # in its phase

    # What the parser calls.

    def on_headers_complete(self) -> None:
        """Note that the head is whole."""
        self._headed = True
        self._kept = self._parser.should_keep_alive()

    def on_body(self, part: bytes) -> None:
        """Collect a part of the body, small ones in one: each chunk is a part, be it of a byte."""
        last = self._body[-1] if self._body else b""
        if 0 < len(last) < SMALL_PART:
            if isinstance(last, bytes):
                last = self._body[-1] = bytearray(last)
            last += part
        else:
            self._body.append(part)
        self._size += len(part)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._whole = True

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self.is_made = True
        self._steps = self._serve()
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read on, or keep what came until then; what comes behind the last answer is dropped."""
        if self._closing:
            return
        self._unread = self._unread + data if self._unread else data
        if self._phase is not None and self._phase.reads:
            self._go_on()
        else:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Nothing more comes; gives whether an answer is yet to be written."""
        self._ended = True
        if self._phase is not None and self._phase.reads:
            self._go_on()
        return not self._closing and self._scheme == "http"

    def pause_writing(self) -> None:
        """The client does not take its answers: read no more of its requests."""
        self._stalled = True

    def resume_writing(self) -> None:
        """It does again."""
        self._stalled = False
        if self._phase is self._listener.write:
            self._go_on()

    def connection_lost(self, _: Exception | None) -> None:
        """It is over; of what a thread still answers is told when that is done."""
        self._closing = True
        self._wait_in(None)
        self._listener.forget(self._client)
        if not self._handed_on:
            self._leave()
        self._steps.close()
        del self._parser  # which knows this connection, as this one knows it

    # Time.

    def _wait_in(self, phase: "Phase | None") -> None:
        """Be in a phase from now on, for as long as it may take."""
        if self._phase is not None:
            del self._phase[self]
        self._phase = phase
        if phase is not None:
            phase[self] = self._listener.loop.time() + phase.seconds

    def renew(self) -> None:
        """Count the time of the phase from now on."""
        self.is_used = False
        self._wait_in(self._phase)

    def expire(self) -> None:
        """The phase took too long."""
        if self._phase is self._listener.body:
            self._go_on(TooSlow(SLOW.format(self._limits.body_seconds)))
        elif self._phase is self._listener.head and not self.is_silent:
            said = heads.SLOW.format(self._limits.header_seconds)
            self._go_on(NotHTTP(said, heads.LATE))
        else:
            self.abort()

    def abort(self) -> None:
        """Close it now, whatever is unsent."""
        self._closing = True
        self._wait_in(None)
        self._transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether nothing of a request has come; empty lines before it are nothing."""
        return not self._came.strip(b"\r\n")

    # One request after another.

    def _go_on(self, error: Exception | None = None) -> None:
        """Let it go on, or fail in what it waits for."""
        if self._closing:
            return
        try:
            phase = self._steps.throw(error) if error else next(self._steps)
        except StopIteration:
            return
        except Exception:  # whatever it is, it costs this connection alone
            log.exception("A connection failed and is closed.")
            self.abort()
            return
        if phase is not self._phase:  # else its time is running
            self._wait_in(phase)
        if self._paused and phase is not None and phase.reads:
            self._paused = False
            self._transport.resume_reading()

    def _serve(self) -> Steps:
        phase = self._listener.head
        for number in count(1):
            try:
                yield from self._receive(phase)
                if self._exchange and self._is_handed_on(self._exchange):
                    yield None
            except NotHTTP as refused:
                self._refuse(refused)
            except ServiceError as error:
                if self._exchange and self._exchange.response is None:
                    self._application.refuse(self._exchange, error)
            if self._exchange:
                self._respond(self._exchange)
            if self._closing:
                return
            if self._stalled:
                yield self._listener.write
            elif self._unread and number % ANSWERS_A_TURN == 0:
                self._listener.loop.call_soon(self._go_on)
                yield None
            phase = self._listener.idle

    def _receive(self, phase: "Phase") -> Steps:
        """One request, which is waited for in `phase`, to its last byte or to where it is refused.

        Raises NotHTTP before its head is whole, and ServiceError behind it.
        """
        self._came = b""
        self._body: list[bytes | bytearray] = []
        self._size = 0
        self._headed = self._whole = self._tunnel = False
        while not self._headed:
            if not self._unread:
                if self._ended:
                    self._end()
                    return
                yield phase if self.is_silent else self._listener.head
            self._read_head()
        head = heads.read(self._came)
        exchange = self._enter(head)
        while not self._whole:
            if exchange.response and (head.expects or self._is_long(head)):
                return
            if not self._unread:
                if self._ended:
                    raise MalformedBody(BROKE_OFF)
                self._held.grow(self._size)
                yield self._listener.body
            self._read_body()

    def _is_long(self, head: Head) -> bool:
        return max(head.length or 0, self._chunked) > DRAINED

    def _end(self) -> None:
        """The client has said all; raises NotHTTP for half a head."""
        if not self.is_silent:
            raise NotHTTP(heads.CUT_OFF)
        self._close()

    def _read_head(self) -> None:
        """Give the parser what came, up to the end of a head."""
        known = len(self._came)
        came = self._came + self._unread
        end = came.find(END, max(known + 1 - len(END), 0))
        end = len(came) if end < 0 else end + len(END)
        self._came, self._unread = came[:end], came[end:]
        if end > self._limits.max_header_bytes:
            raise heads.too_long(self._came, self._limits.max_header_bytes)
        try:
            self._parser.feed_data(self._came[known:])
        except HttpParserUpgrade:  # it would take a body for the next request
            self._tunnel, self._kept = True, False
        except HttpParserError as error:
            raise NotHTTP(heads.said(str(error))) from error

    def _enter(self, head: Head) -> Exchange:
        """The head is whole: let the gate decide, before the body is read."""
        if self._tunnel and head.length is None:
            raise NotHTTP(heads.LENGTH)
        self._left, self._chunked, self._tail = head.length, 0, b""
        self._whole = head.length == 0
        came = head.method, head.path, head.query, head.headers
        request = Request(*came, b"", self._client, self._scheme, head.version)
        exchange = self._exchange = Exchange(request, perf_counter())
        self._application.enter(exchange)
        if head.expects and not (self._whole or self._unread or exchange.response):
            self._transport.write(CONTINUE)
        return exchange

    def _read_body(self) -> None:
        """Give the parser what came of the body, and nothing of a request behind it."""
        came = self._unread
        if self._left is None:  # its chunks tell; one may hold what looks like their end
            end = (self._tail + came).find(END)
            part = came if end < 0 else came[: end + len(END) - len(self._tail)]
            self._tail = (self._tail + part)[1 - len(END) :] if end < 0 else b""
            self._chunked += len(part)
        else:
            part = came[: self._left]
            self._left -= len(part)
        self._unread = came[len(part) :]
        try:
            (self.on_body if self._tunnel else self._parser.feed_data)(part)
        except HttpParserError as error:
            raise MalformedBody(heads.CHUNK) from error
        if self._left == 0:
            self._whole = True
        elif self._left is None:
            self._require_short()

    def _require_short(self) -> None:
        """Of a body in chunks, which did not say how long it is."""
        large = self._size > self._limits.max_body_bytes
        if large or self._chunked > PADDING * self._size + self._limits.max_header_bytes:
            self._whole = False  # also where it ended here: nothing more is read
            raise BodyTooLarge(self._limits.max_body_bytes) if large else MalformedBody(heads.CHUNK)

    # Answers.

    def _is_handed_on(self, exchange: Exchange) -> bool:
        """Have it answered, if it is not refused; gives whether a thread does that.

        Raises Overloaded for what would wait too long, or finds no room to wait in.
        """
        if exchange.response:
            return False
        request, body = exchange.request, self._body
        self._body = []  # else a large one would be there twice
        request.body = bytes(body[0]) if len(body) == 1 else b"".join(body)
        patience = self._limits.max_wait_seconds
        if "x-request-timeout" in request.headers:
            patience = min(patience, heads.seconds(request.headers["x-request-timeout"]))
        thread = self._listener.thread_for(exchange)
        # As long as it is the loop's turn, nobody looks at what has come.
        wait = thread.wait if thread else exchange.began - self._listener.loop.time()
        if wait > patience:
            raise Overloaded(BUSY.format(patience))
        if thread is None:
            self._application.answer(exchange)
            return False
        self._held.grow(self._size)
        self._handed_on = True
        thread.put(exchange, partial(self._is_wanted, exchange, patience), self._answered)
        return True

    def _is_wanted(self, exchange: Exchange, patience: float, waited: float) -> bool:
        """Whether an answer is worth its time to a thread that now has it."""
        if waited > patience:
            self._application.refuse(exchange, Overloaded(BUSY.format(patience)))
        return not (exchange.response or self._closing)

    def _answered(self) -> None:
        """A thread is done."""
        self._handed_on = False
        if self._closing:  # the client has gone
            self._leave()
        self._go_on()

    def _refuse(self, refused: NotHTTP) -> None:
        """Answer what is no request, which no dialect and no gate knows, and close."""
        log.warning("Invalid request from %s: %s", self._client or "a socket", refused)
        more = f"{self._listener.date}Connection: close\r\n"
        said = f"{refused} RFC 9112 says how a request is written."
        self._transport.write(encode(NATIVE.form(refused.status, said), more))
        self._close(unread=True)

    def _respond(self, exchange: Exchange) -> None:
        """Write the answer; the last one of a connection closes it."""
        unread = not self._whole or bool(self._unread)
        last = not (self._whole and self._kept) or self._listener.leaving()
        last = last or (self._ended and not unread)
        more = f"{self._listener.date}X-Request-Id: {exchange.id}\r\n"
        if last:
            more += "Connection: close\r\n"
        elif exchange.request.version == "1.0":
            more += "Connection: keep-alive\r\n"
        to_head = exchange.request.method == "HEAD"
        self._transport.write(encode(cast("Response", exchange.response), more, to_head=to_head))
        self._leave()
        if last:
            self._close(unread=unread)
        elif self._phase is self._listener.idle:
            self.is_used = True
        else:
            self._wait_in(None)  # so that the time of the next one begins

    def _leave(self) -> None:
        """The exchange, if there is one, is over; who is refused may go on sending for long."""
        self._body = []
        self._held.release()
        if self._exchange:
            self._application.leave(self._exchange)
            self._exchange = None

    def _close(self, *, unread: bool = False) -> None:
        """Close when all is sent; what is unread would reset the answer on its way."""
        self._closing = True
        self._unread = b""
        if unread and not self._ended:
            self._wait_in(self._listener.linger)
            self._transport.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._wait_in(self._listener.write)
            self._transport.close()
