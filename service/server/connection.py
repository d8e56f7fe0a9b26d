"""One connection: bytes from uvloop to exchanges, and their answers back.

`_serve` is what happens: one request after another, each received, answered and told of. It is a
generator that yields the phase in which it waits: for its client, or for none (None), until it is
let go on. Nothing of the next request is read before this one is answered.
"""

import asyncio
from collections.abc import Generator
from functools import partial
from itertools import count
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, cast

from service.api.native.errors import NATIVE
from service.errors import MalformedBody, ServiceError, TooSlow, Unforeseen
from service.exchange import Exchange, Request
from service.gate.patience import require_patience
from service.server import head as heads
from service.server.body import Body, Chunks
from service.server.head import END, Head, NotHTTP
from service.server.response import CONTINUE, encode

if TYPE_CHECKING:
    from service.exchange import Operation
    from service.server.listener import Listener, Phase

ANSWERS_A_TURN = 8  # of the loop, to one connection
DRAINED = 64 * 1024  # bytes of a body that are read over to keep the connection of who is refused
BASE = 1024  # what a request costs a thread beside its body, in bytes of one

BROKE_OFF = "The body broke off before its end; send it again."
SLOW = "The body took longer than BODY_SECONDS allows, {:g} s; send it again."
FAILED = NATIVE.refuse(Unforeseen())  # where not even a refusal could be worded

Steps = Generator["Phase | None", None, None]


class Connection(asyncio.Protocol):
    """Reads requests one by one, has each answered and writes the answers in their order."""

    def __init__(self, listener: "Listener", client: str) -> None:
        self.client = client
        self.shakes_hands: asyncio.Task[None] | None = None  # until there is a transport
        self._listener = listener
        self._limits = listener.settings
        self._application = listener.application
        self._held = listener.room.hold()
        self._steps = self._serve()
        self._exchange: Exchange | None = None
        self._phase: Phase | None = None
        self._unread = b""
        self._stalled = False  # the client, which takes no more answers
        self._ended = False  # what the client has to say
        self._closing = False  # the last answer is written
        self._handed_on = False  # to a thread

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first head."""
        self._transport = cast("asyncio.Transport", transport)
        self._scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self.shakes_hands = None
        if self._closing:
            self._transport.abort()
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read on, or keep what came until then; what comes behind the last answer is dropped."""
        if self._closing:
            return
        self._unread = self._unread + data if self._unread else data
        if self._phase is not None and self._phase.reads:
            self._go_on()
        else:
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
        self.wait_in(None)
        self._listener.forget(self)
        if not self._handed_on:
            self._leave()
        self._steps.close()

    # Time.

    def wait_in(self, phase: "Phase | None") -> None:
        """Be in a phase from now on, for as long as it may take."""
        if self._phase is not None:
            del self._phase[self]
        self._phase = phase
        if phase is not None:
            phase[self] = monotonic()

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
        """Close it now, whatever is unsent; it counts no more."""
        self._closing = True
        self.wait_in(None)
        self._listener.forget(self)
        if self.shakes_hands:
            self.shakes_hands.cancel()
        else:
            self._transport.abort()

    @property
    def is_silent(self) -> bool:
        """Whether nothing of a request has come; empty lines before it are nothing."""
        return not self._unread

    # One request after another.

    def _go_on(self, error: Exception | None = None) -> None:
        """Let it go on, or fail in what it waits for."""
        if self._closing:
            return
        try:
            phase = self._steps.throw(error) if error else next(self._steps)
        except StopIteration:
            return
        except Exception as failure:  # noqa: BLE001  whatever it is, it costs this connection alone
            self._listener.survivor.note(failure)
            self.abort()
            return
        if phase is not self._phase:  # else its time is running
            self.wait_in(phase)
        if phase is not None and phase.reads:
            self._transport.resume_reading()

    def _serve(self) -> Steps:
        phase = self._listener.head
        for number in count(1):
            try:
                while not (raw := self._take_head()):
                    if self._ended:
                        self._close()
                        return
                    yield phase if self.is_silent else self._listener.head
                head = heads.read(raw)
            except NotHTTP as refused:
                self._refuse(refused)
                return
            yield from self._exchange_one(head, raw)
            if self._closing:
                return
            if self._stalled:
                yield self._listener.write
            elif self._unread and number % ANSWERS_A_TURN == 0:
                self._listener.loop.call_soon(self._go_on)
                yield None
            phase = self._listener.idle

    def _take_head(self) -> bytes:
        """A head to its end; nothing where that has not come.

        Raises NotHTTP for one that is cut off or too long, and for what begins as none does.
        """
        if not self._unread:
            return b""
        came = self._unread.lstrip(b"\r\n")
        end = came.find(END) + len(END)
        if end >= len(END):
            raw, self._unread = came[:end], came[end:]
            heads.require_short(raw, self._limits.max_header_bytes)
            return raw
        self._unread = came
        if came:
            heads.require_short(came, self._limits.max_header_bytes)
            if self._ended:
                raise NotHTTP(heads.CUT_OFF)
            if len(came) <= heads.SHORT:
                heads.parse(came)
        return b""

    def _exchange_one(self, head: Head, raw: bytes) -> Steps:
        """Ask the gate, read the body, have it answered and respond, whatever fails meanwhile."""
        came = head.method, head.path, head.query, head.headers
        request = Request(*came, b"", self.client, self._scheme, head.version)
        exchange = self._exchange = Exchange(request, perf_counter())
        body = Chunks(raw, self._limits) if head.length is None else Body(head.length)
        try:
            self._application.enter(exchange)
            if head.expects and not (body.is_whole or self._unread or exchange.response):
                self._transport.write(CONTINUE)
            while self._is_waited_for(body, exchange, head):
                yield self._listener.body
            if exchange.response is None and self._is_handed_on(exchange, body):
                yield None
        except ServiceError as error:
            if exchange.response is None:
                self._listener.survivor.run(self._application.refuse, exchange, error)
        except Exception as error:  # noqa: BLE001  and the client gets an answer
            self._listener.survivor.note(error)
        self._respond(exchange, keeps=head.keeps, read=body.is_whole)

    def _is_waited_for(self, body: Body, exchange: Exchange, head: Head) -> bool:
        """Read what came of a body; gives whether somebody wants more of it.

        Raises ServiceError for one that breaks off, is none, is too large or finds no room.
        """
        while self._unread and not body.is_whole:
            self._unread = body.feed(self._unread)
        if body.is_whole or (exchange.response and (head.expects or body.received > DRAINED)):
            return False
        if self._ended:
            raise MalformedBody(BROKE_OFF)
        self._held.grow(len(body.content))
        return True

    # Answers.

    def _is_handed_on(self, exchange: Exchange, body: Body) -> bool:
        """Have it answered; gives whether a thread does that.

        Raises Overloaded for what would wait too long, or finds no room to wait in.
        """
        exchange.request.body = content = body.taken()
        operation = cast("Operation", exchange.operation)
        thread = self._listener.thread_for(operation, len(content))
        is_free = thread is self._listener.line and (operation.watching or thread.is_free())
        require_patience(exchange, 0 if is_free else thread.wait, self._limits.max_wait_seconds)
        if is_free:
            self._application.answer(exchange)
            return False
        self._held.grow(len(content))
        self._handed_on = True
        thread.put(BASE + len(content), partial(self._answer, exchange), self._answered)
        return True

    def _answer(self, exchange: Exchange, waited: float) -> bool:
        """In a thread: answer who waits for it still; gives whether somebody did."""
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
        """A thread is done."""
        self._handed_on = False
        if self._closing:  # the client has gone
            self._leave()
        self._go_on()

    def _refuse(self, refused: NotHTTP) -> None:
        """Answer what is no request, which no dialect and no gate knows, and close."""
        self._listener.invalid.tell(client=self.client or "a socket", reason=str(refused))
        more = f"{self._listener.date}Connection: close\r\n"
        said = f"{refused} RFC 9112 says how a request is written."
        self._transport.write(encode(NATIVE.form(refused.status, said), more))
        self._close(unread=True)

    def _respond(self, exchange: Exchange, *, keeps: bool, read: bool) -> None:
        """Write the answer; the last one of a connection closes it."""
        response = exchange.response = exchange.response or FAILED
        unread = bool(self._unread) or not read
        last = not (keeps and read) or self._listener.leaving() or (self._ended and not unread)
        more = f"{self._listener.date}X-Request-Id: {exchange.id}\r\n"
        if last:
            more += "Connection: close\r\n"
        elif exchange.request.version == "1.0":
            more += "Connection: keep-alive\r\n"
        to_head = exchange.request.method == "HEAD"
        self._transport.write(encode(response, more, to_head=to_head))
        self._leave()
        if last:
            self._close(unread=unread)
        else:
            self.wait_in(self._listener.idle)  # its time begins now

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
