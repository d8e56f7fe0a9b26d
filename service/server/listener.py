"""What listens in a worker: connections let in, counted, and ended when they take too long."""

import asyncio
import logging
import math
import resource
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from ctypes import c_int
from email.utils import formatdate
from functools import partial
from multiprocessing.sharedctypes import RawArray
from operator import itemgetter
from socket import socket
from time import monotonic

from service.exchange import Application, Operation
from service.gate.room import Room
from service.logs import catalogue
from service.logs.seldom import Seldom
from service.logs.survivor import Survivor
from service.server import tls
from service.server.connection import Connection
from service.server.line import Line
from service.server.threads import PacedThread
from service.settings import Settings

log = logging.getLogger("service")

ACCEPTS_A_TURN = 64  # of the loop; libuv's own listeners accept one
AHEAD = 8  # connections that a worker may hold beyond another before that one goes first ...
MORE_AHEAD = 16  # ... and one more for so many that it holds
GO_FIRST = 0.002  # seconds until it is looked whether that one did ...
GIVE_UP = 0.05  # ... and until it is taken for busy
NO_FILES = 0.1  # seconds until another connection is tried when there was none for it
FILES = 128  # of a process that are not for connections
SMALL = 8 * 1024  # bytes of a body that is answered in the loop
LINGER = 2.0  # seconds that a client has to read its last answer, which resets it afterwards
LAST_WORDS = 0.5  # seconds for what was on its way when a worker was told to stop
TICK = 0.25  # seconds from one look at the time to the next


class Shares:
    """How many connections each worker holds, for all of them to see; made before they fork."""

    GONE = -1

    def __init__(self, workers: int) -> None:
        self._counts = RawArray(c_int, [self.GONE] * workers)
        self._own = 0

    def enter(self, taken: Collection[int]) -> int:
        """A place for another worker."""
        self._own = min({*range(len(self._counts))} - {*taken}, default=0)
        return self._own

    def leave(self, place: int) -> None:
        """A worker has ended."""
        self._counts[place] = self.GONE

    def note(self, count: int) -> None:
        """Tell how many this worker has, GONE when it lets nobody in any more."""
        self._counts[self._own] = count

    def room(self) -> int:
        """How many connections this worker may let in before one that has fewer goes first."""
        own, others = self._own, self._counts[:]
        open_ = [it for at, it in enumerate(others) if at != own and it != self.GONE]
        return ahead(others[own]) + min(open_) - others[own] if open_ else ACCEPTS_A_TURN


def ahead(count: int) -> int:
    """How many connections a worker with so many may hold beyond another."""
    return AHEAD + count // MORE_AHEAD


class Phase(dict[Connection, float]):
    """Connections that wait for their clients in the same way, in order, and since when."""

    def __init__(self, seconds: float, *, reads: bool = True) -> None:
        super().__init__()
        self.seconds = seconds  # that one may wait
        self.reads = reads  # what the client sends

    def first(self, client: str | None) -> tuple[float, Connection] | None:
        """Since when who waits for longest does, of one address if it is given."""
        found = (each for each in self if client is None or each.client == client)
        connection = next(found, None)
        return (self[connection], connection) if connection else None


class Listener:
    """The connections of one worker, and all that they share."""

    def __init__(
        self,
        application: Application,
        settings: Settings,
        listening: socket,
        shares: Shares,
        leaving: Callable[[], bool],
    ) -> None:
        self.application = application
        self.settings = settings
        self.loop = loop = asyncio.get_running_loop()
        self.room = Room(settings.room_for_bodies)
        self.date = ""  # as a line of a head
        self.survivor = Survivor("connections")
        self.invalid = Seldom(log, catalogue.INVALID_REQUEST)
        self.not_let_in = Seldom(log, catalogue.NOT_LET_IN)
        self.head = Phase(settings.header_seconds)  # with a TLS handshake before it
        self.body = Phase(settings.body_seconds)
        self.idle = Phase(settings.idle_seconds)
        self.write = Phase(settings.write_seconds, reads=False)
        self.linger = Phase(LINGER, reads=False)
        self.busy = Phase(math.inf, reads=False)  # who waits for an answer, not for the client
        self._phases = self.linger, self.idle, self.head, self.body, self.write
        self._bodies = PacedThread("large-bodies", loop)
        self._metrics = PacedThread("scrapes", loop)
        self._flask = PacedThread("flask", loop)
        self._listening = listening
        self._shares = shares
        self._tls = tls.context(settings)
        self._told_to_leave = leaving
        self.leaving = False  # each answer is the last one of its connection
        self._stopping = False
        self._connections: set[Connection] = set()
        self._behind = math.inf  # from then on, no other worker goes first
        self._of_client: Counter[str] = Counter()
        self._most = most_connections(settings.max_connections)
        self._most_of_one = settings.max_connections_of_one_address
        self.line = Line(loop, min(self._most, self._most_of_one) // 2 + 1)

    def queue_for(self, operation: Operation, size: int) -> PacedThread | Line | None:
        """Where a body of so many bytes waits; None where the loop may answer it at once."""
        if operation.hot:
            if size > SMALL:
                return self._bodies
            return None if operation.watching or self.line.is_free() else self.line
        return self._metrics if operation.watching else self._flask

    def listen(self) -> None:
        """Let connections in from now on."""
        self._shares.note(self.connections)
        self._tick()
        self._begin_to_accept()

    async def stop(self) -> None:
        """Let nobody in any more, answer whom the kernel has let in, and wait for them to go."""
        self._stopping = self.leaving = True
        self._shares.note(Shares.GONE)
        self.loop.remove_reader(self._listening.fileno())
        while self._let_in():
            pass
        self._listening.close()
        if self.connections:
            await asyncio.sleep(LAST_WORDS)
        silent = [connection for connection in self.head if connection.is_silent]
        for connection in [*self.idle, *silent, *self.linger]:
            connection.abort()
        while self.connections:  # noqa: ASYNC110  nobody is told for each connection of a whole life
            await asyncio.sleep(TICK / 10)

    @property
    def connections(self) -> int:
        """How many there are, with those that shake hands."""
        return len(self._connections)

    def forget(self, connection: Connection) -> None:
        """A connection has ended, or is about to."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._count(connection.client, -1)

    def _count(self, client: str, more: int) -> None:
        self._of_client[client] += more
        if not self._of_client[client]:
            del self._of_client[client]
        if not self._stopping:
            self._shares.note(self.connections)

    def _begin_to_accept(self) -> None:
        if not self._stopping:
            self.loop.add_reader(self._listening.fileno(), self._accept)

    def _rest(self, seconds: float) -> None:
        self.loop.remove_reader(self._listening.fileno())
        self.loop.call_later(seconds, self._begin_to_accept)

    def _accept(self) -> None:
        """Let in who waits, but let a worker with fewer connections go first."""
        room = self._shares.room()
        if room > 0:
            self._behind = math.inf
        elif monotonic() > self._behind:  # it has not gone
            room = ahead(self.connections)
        if self.connections > self._most and not self._make_room():
            room = 0  # all of them wait for answers
        try:
            for _ in range(min(room, ACCEPTS_A_TURN)):
                if not self._let_in():
                    return
                if self.connections > self._most:
                    room = 0
                    break
        except OSError as error:
            self.not_let_in.tell(reason=error.strerror)
            self._rest(NO_FILES)
            return
        if room < ACCEPTS_A_TURN:
            self._behind = min(self._behind, monotonic() + GIVE_UP)
            self._rest(GO_FIRST)

    def _let_in(self) -> bool:
        """Let one in, if one waits; OSError where there is no file for it."""
        try:
            accepted, address = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        client = address[0] if isinstance(address, tuple) else ""
        if client and self._of_client[client] >= self._most_of_one and not self._make_room(client):
            accepted.close()
            return True
        if self.connections >= self._most:
            self._make_room()
        connection = Connection(self, client)
        self._connections.add(connection)
        self._count(client, 1)
        connection.wait_in(self.head)
        connection.shakes_hands = self.loop.create_task(self._connect(connection, accepted))
        connection.shakes_hands.add_done_callback(partial(_shaken, connection, accepted))
        return True

    def _make_room(self, client: str | None = None) -> bool:
        """End who has waited for longest without being waited for; gives whether one has."""
        waiting = filter(None, [phase.first(client) for phase in self._phases])
        _, connection = min(waiting, key=itemgetter(0), default=(0.0, None))
        if connection:
            connection.abort()
        return connection is not None

    async def _connect(self, connection: Connection, accepted: socket) -> None:
        handshake = self.settings.header_seconds if self._tls else None
        with suppress(OSError):  # no TLS, or none in time
            await self.loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=self._tls, ssl_handshake_timeout=handshake
            )

    def _tick(self) -> None:
        """End what took too long."""
        self.loop.call_later(TICK, self._tick)
        self.date = f"Date: {formatdate(usegmt=True)}\r\n"
        self.leaving = self._stopping or self._told_to_leave()
        for phase in self._phases:
            latest = monotonic() - phase.seconds
            for connection in [each for each, since in phase.items() if since < latest]:
                connection.expire()


def _shaken(connection: Connection, accepted: socket, _: "asyncio.Task[None]") -> None:
    """It is tried, or was cancelled before."""
    if connection.shakes_hands:
        accepted.close()
        connection.connection_lost(None)


def most_connections(wanted: int) -> int:
    """So many, or fewer where this process may not have as many files (RLIMIT_NOFILE)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = wanted + FILES if hard == resource.RLIM_INFINITY else min(wanted + FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return max(min(wanted, files - FILES), 1)
