"""One connection: bytes from uvloop to exchanges, and their answers back.

`_go_on` is what happens: one request after another, each received, answered and told of. Nothing of
the next request is read before this one is answered.
"""

import asyncio
from functools import partial
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, cast

from service.api.native.errors import NATIVE
from service.errors import MalformedBody, ServiceError, TooSlow, Unforeseen
from service.exchange import Exchange, Request
from service.gate.patience import require_patience
from service.server import head as heads
from service.server.chunks import Chunks
from service.server.head import END, Head, NotHTTP
from service.server.response import CONTINUE, encode

if TYPE_CHECKING:
    from service.server.listener import Listener, Phase

ANSWERS_A_TURN = 8  # of the loop, to one connection
DRAINED = 64 * 1024  # bytes of a body that are read over to keep the connection of who is refused
BASE = 1024  # what a request costs a thread beside its body, in bytes of one

BROKE_OFF = "The body broke off before its end; send it again."
SLOW = "The body took longer than BODY_SECONDS allows, {:g} s; send it again."
NO_HEAD = Head("", "", "", {}, "", 0, expects=False, keeps=False)  # before the first
FAILED = NATIVE.refuse(Unforeseen())  # where not even a refusal could be worded


class Connection(asyncio.Protocol):
    """Reads requests one by one, has each answered and writes the answers in their order."""

    _transport: asyncio.Transport
    _request: Request  # of the last head, and of the next exchange if that head comes again
    _chunks: Chunks | None  # what reads a body in chunks
    _is_whole: bool  # the body has come

    def __init__(self, listener: "Listener", client: str) -> None:
        self.client = client
        self.shakes_hands: asyncio.Task[None] | None = None  # until there is a transport
        self._listener = listener
        self._limits = listener.settings
        self._most = self._limits.max_header_bytes  # looked up once, for pydantic takes its time
        self._application = listener.application
        self._held = listener.room.hold()
        self._head = NO_HEAD
        self._exchange: Exchange | None = None
        self._phase = listener.head
        self._unread = b""  # a bytearray, which grows in place, for the beginning of a body
        self._paused = False  # until what came is answered, nothing more is read
        self._stalled = False  # the client, which takes no more answers
        self._ended = False  # what the client has to say
        self._closing = False  # the last answer is written

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self.shakes_hands = None
        if self._closing:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on, or keep what came until then; what comes behind the last answer is dropped."""
        if self._closing:
            return
        self._unread += data
        if self._phase.reads:
            self._go_on()
        else:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Nothing more comes; gives whether an answer is yet to be written."""
        self._ended = True
        if self._phase.reads:
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
        self._forget()
        if self._phase is not self._listener.busy:
            self._leave()

    # Time.

    def wait_in(self, phase: "Phase") -> None:
        """Be in a phase from now on, for as long as it may take."""
        self._phase.pop(self, None)
        self._phase = phase
        phase[self] = monotonic()

    def expire(self) -> None:
        """The phase took too long."""
        if self._exchange:
            late = TooSlow(SLOW.format(self._limits.body_seconds))
            if self._listener.survivor.run(self._fail, self._exchange, late) is None:
                self.abort()
        elif self._phase is self._listener.head and not self.is_silent:
            said = heads.SLOW.format(self._limits.header_seconds)
            self._refuse(NotHTTP(said, heads.LATE))
        else:
            self.abort()

    def abort(self) -> None:
        """Close it now, whatever is unsent; it counts no more."""
        self._forget()
        if self.shakes_hands:
            self.shakes_hands.cancel()
        else:
            self._transport.abort()

    def _forget(self) -> None:
        self._closing = True
        self._phase.pop(self, None)
        self._listener.forget(self)

    @property
    def is_silent(self) -> bool:
        """Whether nothing of a request has come; empty lines before it are nothing."""
        return not self._unread

    # One request after another.

    def _go_on(self) -> None:
        """Answer what has come, until the client is waited for, or a thread."""
        if self._closing:
            return
        answers = 0
        try:
            while (
                (exchange := self._exchange or self._begun())
                and self._has_body(exchange)
                and self._is_answered(exchange)
            ):
                answers += 1
                if answers == ANSWERS_A_TURN:
                    self.wait_in(self._listener.busy)
                    self._listener.loop.call_soon(self._go_on)
                    return
        except Exception as error:  # noqa: BLE001  whatever it is, it costs this connection alone
            self._listener.survivor.note(error)
            if self._exchange and not self._exchange.response:
                self._exchange.response = FAILED
                self._go_on()
            else:
                self.abort()

    def _begun(self) -> Exchange | None:
        """The exchange that a head begins, when all of it has come."""
        came = self._unread.lstrip(b"\r\n")
        end = came.find(END)
        try:
            if end < 0:
                self._unread = came
                self._wait_for_head(came)
                return None
            raw, self._unread = came[: end + 4], came[end + 4 :]
            head = heads.read(raw, self._most)
        except NotHTTP as refused:
            self._refuse(refused)
            return None
        if head is not self._head:
            self._head = head
            asked = head.method, head.path, head.query, head.headers
            self._request = Request(*asked, b"", self.client, self._scheme, head.version)
        exchange = self._exchange = Exchange(self._request, perf_counter())
        self._chunks = Chunks(raw, self._limits) if head.length is None else None
        self._is_whole = False
        self._application.enter(exchange)
        if head.expects and head.length != 0 and not (self._unread or exchange.response):
            self._transport.write(CONTINUE)
        return exchange

    def _wait_for_head(self, came: bytes) -> None:
        """Raises NotHTTP for one cut off or too long, and for what begins as none does."""
        if len(came) > self._most:
            raise heads.too_long(came, self._most)
        if came and self._ended:
            raise NotHTTP(heads.CUT_OFF)
        if 0 < len(came) <= heads.SHORT:
            heads.parse(came)
        if self._ended:
            self._close()
        else:
            is_next = not came and self._head is not NO_HEAD
            self._read_in(self._listener.idle if is_next else self._listener.head)

    def _read_in(self, phase: "Phase") -> None:
        """Wait in a phase, if not there already, for more to come."""
        if phase is not self._phase:
            self.wait_in(phase)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _has_body(self, exchange: Exchange) -> bool:
        """Whether the body has come, or nobody wants it."""
        unread, length = self._unread, self._head.length
        if not self._is_whole:
            if length is None or len(unread) < length:
                return self._has_last_part(exchange)
            self._is_whole = True
            exchange.request.body = bytes(unread if len(unread) == length else unread[:length])
            self._unread = bytes(unread[length:])
        return True

    def _has_last_part(self, exchange: Exchange) -> bool:
        """The same of a body that comes in parts, of which the first are kept meanwhile."""
        chunks, head = self._chunks, self._head
        received, kept = head.length or 0, len(self._unread)
        try:
            if chunks:
                self._unread = chunks.feed(self._unread)
                received, kept = chunks.received, len(chunks.content)
                self._is_whole = chunks.is_whole
            if self._is_whole or (exchange.response and (head.expects or received > DRAINED)):
                exchange.request.body = bytes(chunks.content) if chunks else b""
                return True
            if self._ended:
                raise MalformedBody(BROKE_OFF)
            self._held.grow(kept)
        except ServiceError as error:
            self._fail(exchange, error)
            return False
        if not chunks and isinstance(self._unread, bytes):
            self._unread = bytearray(self._unread)  # type: ignore[assignment]
        self._read_in(self._listener.body)
        return False

    # Answers.

    def _is_answered(self, exchange: Exchange) -> bool:
        """Have it answered; gives whether to go on with what came behind it."""
        if exchange.response is None:
            size, headers = len(exchange.request.body), exchange.request.headers
            queue = self._listener.queue_for(exchange.operation, size)  # type: ignore[arg-type]
            if queue or "x-request-timeout" in headers:
                wait = queue.wait if queue else 0.0
                try:
                    require_patience(exchange, wait, self._limits.max_wait_seconds)
                    self._held.grow(size)
                except ServiceError as error:
                    return self._fail(exchange, error)
            if queue:
                self.wait_in(self._listener.busy)
                queue.put(BASE + size, partial(self._answer, exchange), self._answered)
                return False
            self._application.answer(exchange)
        return self._respond(exchange)

    def _answer(self, exchange: Exchange, waited: float) -> bool:
        """When its turn comes: answer who waits for it still; gives whether somebody did."""
        if self._closing:
            return False
        try:
            require_patience(exchange, waited, self._limits.max_wait_seconds)
        except ServiceError as error:
            self._application.refuse(exchange, error)
            return False
        self._application.answer(exchange)
        return True

    def _answered(self) -> None:
        """Its turn is over."""
        if self._closing:  # the client has gone
            self._leave()
        elif self._exchange:
            self._exchange.response = self._exchange.response or FAILED
            self._go_on()

    def _fail(self, exchange: Exchange, error: ServiceError) -> bool:
        """Answer that it cannot be answered, unless it is refused already; gives as `_respond`."""
        if exchange.response is None:
            self._listener.survivor.run(self._application.refuse, exchange, error)
        return self._respond(exchange)

    def _refuse(self, refused: NotHTTP) -> None:
        """Answer what is no request, which no dialect and no gate knows, and close."""
        self._listener.invalid.tell(client=self.client or "a socket", reason=str(refused))
        more = f"{self._listener.date}Connection: close\r\n"
        said = f"{refused} RFC 9112 says how a request is written."
        self._transport.write(encode(NATIVE.form(refused.status, said), more))
        self._close(unread=True)

    def _respond(self, exchange: Exchange) -> bool:
        """Write the answer, and close behind the last; gives whether to go on with the next."""
        listener, head = self._listener, self._head
        response = exchange.response = exchange.response or FAILED
        more = f"{listener.date}X-Request-Id: {exchange.id}\r\n"
        last = not (self._is_whole and head.keeps) or listener.leaving
        if last or (self._ended and not self._unread):
            last = True
            more += "Connection: close\r\n"
        elif head.version == "1.0":
            more += "Connection: keep-alive\r\n"
        self._transport.write(encode(response, more, to_head=head.method == "HEAD"))
        self._leave()
        if last:
            self._close(unread=bool(self._unread) or not self._is_whole)
            return False
        self.wait_in(listener.write if self._stalled else listener.idle)  # its time begins now
        return not self._stalled and bool(self._unread or self._ended or self._paused)

    def _leave(self) -> None:
        """The exchange, if there is one, is over."""
        self._held.release()
        if self._exchange:
            self._application.leave(self._exchange)
            self._exchange = None

    def _close(self, *, unread: bool = False) -> None:
        """Close when all is sent; what is unread would reset the answer on its way."""
        self._closing = True
        self._unread = b""
        if unread and not self._ended:
            self.wait_in(self._listener.linger)
            self._transport.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()
        else:
            self.wait_in(self._listener.write)
            self._transport.close()
