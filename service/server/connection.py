"""One connection: bytes from uvloop, through httptools, to exchanges, and their answers back.

One request at a time: nothing of the next one is given to the parser before this one is answered.
What the parser calls does nothing but collect, for an exception in it would look like an error of
what is read.
"""

import asyncio
import logging
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from service.api.native.errors import NATIVE
from service.errors import (
    BodyTooLarge,
    MalformedBody,
    Overloaded,
    ServiceError,
    TooSlow,
    Unforeseen,
)
from service.exchange import Exchange, Request
from service.server import head as heads
from service.server.head import Head, NotHTTP
from service.server.response import CONTINUE, encode
from service.server.threads import AnsweringThread, Job

if TYPE_CHECKING:
    from service.exchange import Response
    from service.gate.room import Held
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


class Connection(asyncio.Protocol):
    """Reads requests one by one, has each answered and writes the answers in their order."""

    def __init__(self, listener: "Listener", client: str) -> None:
        self._listener = listener
        self._limits = listener.settings
        self._application = listener.application
        self._client = client
        self._parser = HttpRequestParser(self)
        self._unread = b""
        self._busy = False  # what comes waits: for an answer, its reader, or the turn of others
        self._ended = False  # the client has said that nothing more comes
        self._closing = False  # the last answer is written
        self._lost = False
        self.is_made = False  # TLS comes before
        self.is_used = False  # since somebody has looked
        self._phase: Phase | None = None
        self._begin()

    def _begin(self) -> None:
        """Make ready for a request."""
        self._came = b""  # of its head
        self._headed = False
        self._whole = False
        self._kept = False
        self._tunnel = False  # Upgrade was asked for
        self._exchange: Exchange | None = None
        self._left: int | None = 0  # bytes of the body that are to come; None: its chunks tell
        self._body: list[bytes | bytearray] = []
        self._size = 0
        self._held: Held | None = None
        self._chunked = 0  # bytes of it with the sizes of its chunks
        self._tail = b""  # of these, which may be the beginning of END

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
        self.is_made = True
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self._wait_in(self._listener.head)

    def data_received(self, data: bytes) -> None:
        """Read on, or keep what came until then; what comes behind the last answer is dropped."""
        if self._closing:
            return
        self._unread = self._unread + data if self._unread else data
        if self._busy:
            self._transport.pause_reading()
        else:
            self._go_on()

    def eof_received(self) -> bool:
        """Refuse what broke off; gives whether an answer is yet to be written."""
        self._ended = True
        if not (self._busy or self._closing):
            if self._exchange:
                self._refuse(MalformedBody(BROKE_OFF))
            elif self._begun:
                self._refuse_http(NotHTTP(heads.CUT_OFF))
            else:
                self._close()
        return self._busy and self._scheme == "http"

    def pause_writing(self) -> None:
        """The client does not take its answers: read no more of its requests."""
        self._busy = True
        self._wait_in(self._listener.write)

    def resume_writing(self) -> None:
        """It does again."""
        if not self._closing:
            self._wait_in(self._listener.idle)
            self._resume()

    def connection_lost(self, _: Exception | None) -> None:
        """It is over; of what a thread still answers is told when that is done."""
        answering = self._busy and self._phase is None
        self._lost = self._closing = True
        self._wait_in(None)
        self._listener.forget(self._client)
        if not answering:
            self._leave()

    # Time.

    def _wait_in(self, phase: "Phase | None") -> None:
        """Be in a phase from now on, for as long as it may take; None is without an end."""
        if self._phase is not None:
            del self._phase[self]
        self._phase = phase
        if phase is not None:
            phase[self] = self._listener.loop.time() + phase.seconds

    def renew(self) -> None:
        """Count the time from now on, for a request has been answered in it."""
        self.is_used = False
        self._wait_in(self._listener.idle)

    def expire(self) -> None:
        """The phase took too long."""
        if self._phase is self._listener.body:
            self._refuse(TooSlow(SLOW.format(self._limits.body_seconds)))
        elif self._phase is self._listener.head and self._begun:
            self._refuse_http(NotHTTP(heads.SLOW.format(self._limits.header_seconds), heads.LATE))
        else:
            self.abort()

    def abort(self) -> None:
        """Close it now, whatever is unsent."""
        self._closing = True
        self._wait_in(None)
        self._transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come of a request that is waited for."""
        return not (self._exchange or self._begun)

    @property
    def _begun(self) -> bool:
        """Whether something of a head is here; empty lines before it are none."""
        return bool(self._came.strip(b"\r\n"))

    # One request after another.

    def _go_on(self) -> None:
        """Answer what is whole, so many requests before others have their turn."""
        try:
            for _ in range(ANSWERS_A_TURN):
                while self._unread and not self._whole:
                    if self._exchange is None:
                        self._read_head()
                    else:
                        self._read_body(self._exchange)
                if not self._whole:
                    self._wait_for_more()
                if self._exchange is None or not self._whole:
                    return
                self._answer(self._exchange)
                if self._busy or not self._unread:
                    return
            self._busy = True
            self._listener.loop.call_soon(self._resume)
        except NotHTTP as refused:
            self._refuse_http(refused)
        except Exception:  # whatever it is, it costs this connection alone
            log.exception("A connection failed and is closed.")
            self.abort()

    def _resume(self) -> None:
        """Go on with what came meanwhile."""
        if self._closing:
            return
        self._busy = False
        if self._unread:
            self._go_on()
        if self._busy or self._closing:
            return
        if self._ended:
            self.eof_received()
        else:
            self._transport.resume_reading()

    def _wait_for_more(self) -> None:
        """Of a request whose beginning is here."""
        if self._closing:
            return
        if self._exchange:
            try:
                self._hold()
            except Overloaded as error:
                self._refuse(error)
            else:
                if self._phase is not self._listener.body:
                    self._wait_in(self._listener.body)
        elif self._begun and self._phase is not self._listener.head:
            self._wait_in(self._listener.head)

    def _read_head(self) -> None:
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
        if self._headed:
            self._enter(heads.read(self._came))

    def _enter(self, head: Head) -> None:
        """The head is whole: let the gate decide, before the body is read."""
        if self._tunnel and head.length is None:
            raise NotHTTP(heads.LENGTH)
        self._left = head.length
        self._whole = head.length == 0
        came = head.method, head.path, head.query, head.headers
        request = Request(*came, b"", self._client, self._scheme, head.version)
        exchange = self._exchange = Exchange(request, perf_counter())
        self._application.enter(exchange)
        if self._whole:
            return
        if exchange.response:
            if head.expects or (head.length or 0) > DRAINED:
                self._respond(exchange, last=True)
        elif head.expects and not self._unread:
            self._transport.write(CONTINUE)

    def _read_body(self, exchange: Exchange) -> None:
        """Read what came of a body whose length is known, and nothing of a request behind it."""
        if self._left is None:
            self._read_chunks(exchange)
            return
        came = self._unread
        part = came if len(came) <= self._left else came[: self._left]
        self._unread = came[len(part) :]
        self._left -= len(part)
        if self._tunnel:
            self.on_body(part)
            self._whole = self._left == 0
        else:
            self._parser.feed_data(part)

    def _read_chunks(self, exchange: Exchange) -> None:
        """Read on to what may be the end of a body in chunks."""
        end = (self._tail + self._unread).find(END)
        cut = len(self._unread) if end < 0 else end + len(END) - len(self._tail)
        part, self._unread = self._unread[:cut], self._unread[cut:]
        self._tail = (self._tail + part)[1 - len(END) :] if end < 0 else b""
        self._chunked += cut
        try:
            self._parser.feed_data(part)
        except HttpParserError:
            self._refuse(MalformedBody(heads.CHUNK))
            return
        if exchange.response:
            self._body.clear()
            if self._chunked > DRAINED and not self._whole:
                self._respond(exchange, last=True)
        elif self._size > self._limits.max_body_bytes:
            self._refuse(BodyTooLarge(self._limits.max_body_bytes))
        elif self._chunked > PADDING * self._size + self._limits.max_header_bytes:
            self._refuse(MalformedBody(heads.CHUNK))

    # Answers.

    def _answer(self, exchange: Exchange) -> None:
        """The request is whole: have it answered, here or by a thread."""
        if exchange.response is None:
            request, body = exchange.request, self._body
            request.body = bytes(body[0]) if len(body) == 1 else b"".join(body)
            thread = self._listener.thread_for(exchange)
            # As long as it is the loop's turn, nobody looks at what has come.
            wait = thread.wait if thread else exchange.began - self._listener.loop.time()
            try:
                patience = self._patience(request)
                if wait > patience:
                    raise Overloaded(BUSY.format(patience))
                if thread:
                    self._hand_on(exchange, thread, patience)
                    return
            except ServiceError as error:
                self._application.refuse(exchange, error)
            else:
                self._application.answer(exchange)
        self._respond(exchange)

    def _patience(self, request: Request) -> float:
        """For how many seconds it may wait: no longer than its client does."""
        most = self._limits.max_wait_seconds
        given = request.headers.get("x-request-timeout")
        return most if given is None else min(most, heads.seconds(given))

    def _hand_on(self, exchange: Exchange, thread: AnsweringThread, patience: float) -> None:
        self._hold()
        self._busy = True
        self._wait_in(None)
        thread.put(Job(exchange, partial(self._is_wanted, patience), self._answered))

    def _is_wanted(self, patience: float, waited: float) -> bool:
        """Whether an answer is worth its time to a thread that now has it."""
        if waited > patience and self._exchange:
            self._application.refuse(self._exchange, Overloaded(BUSY.format(patience)))
            return False
        return not self._lost

    def _answered(self) -> None:
        """A thread is done."""
        if self._lost:
            self._leave()
            return
        self._busy = False
        self._respond(cast("Exchange", self._exchange))
        if not self._busy:
            self._resume()

    def _refuse(self, error: "ServiceError") -> None:
        """Answer a request that has begun, and close."""
        exchange = cast("Exchange", self._exchange)
        if exchange.response is None:
            self._application.refuse(exchange, error)
        self._respond(exchange, last=True)

    def _refuse_http(self, refused: NotHTTP) -> None:
        log.warning("Invalid request from %s: %s", self._client or "a socket", refused)
        more = f"{self._listener.date}Connection: close\r\n"
        said = f"{refused} RFC 9112 says how a request is written."
        self._transport.write(encode(NATIVE.form(refused.status, said), more))
        self._close(unread=True)

    def _respond(self, exchange: Exchange, *, last: bool = False) -> None:
        """Write the answer; the last one of a connection closes it."""
        last = last or not self._kept or self._listener.leaving()
        last = last or (self._ended and not self._unread)
        more = f"{self._listener.date}X-Request-Id: {exchange.id}\r\n"
        if last:
            more += "Connection: close\r\n"
        elif exchange.request.version == "1.0":
            more += "Connection: keep-alive\r\n"
        if exchange.response is None:  # who should have set it has failed
            self._application.refuse(exchange, Unforeseen())
        response = cast("Response", exchange.response)
        self._transport.write(encode(response, more, to_head=exchange.request.method == "HEAD"))
        unread = bool(self._unread) or not self._whole
        self._leave()
        if last:
            self._close(unread=unread)
            return
        self._begin()
        self.is_used = True
        if self._phase is not self._listener.idle and not self._busy:
            self._wait_in(self._listener.idle)

    def _leave(self) -> None:
        """The exchange, if there is one, is over."""
        if self._held:
            self._held.release()
        if self._exchange:
            self._application.leave(self._exchange)
            self._exchange = None

    def _hold(self) -> None:
        """Count the body among those of this worker that wait; Overloaded where they are many."""
        self._held = self._held or self._listener.room.hold()
        self._held.grow(self._size)

    def _close(self, *, unread: bool = False) -> None:
        """Close when all is sent; what is unread would reset the answer on its way."""
        self._closing = True
        self._unread = b""
        self._body.clear()
        if unread and not self._ended:
            self._wait_in(self._listener.linger)
            self._transport.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self._wait_in(self._listener.write)
            self._transport.close()
