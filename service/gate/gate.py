"""The gate: gives each request its id, and lets it in or refuses it before its body is read."""

import os
import re
from itertools import count

from service.exchange import Exchange
from service.gate.access import Access
from service.gate.room import declared
from service.keys.follow import Keys
from service.settings import Settings

# What may be repeated in a header and a log line: UUIDs, ULIDs, trace ids, and no more.
VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=@-]{0,127}").fullmatch


class Gate:
    """Decides by the settings and the keys, before a body is read."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._access = Access(settings, keys)
        self._open = self._access.open
        self._max_body_bytes = settings.max_body_bytes
        self._long = len(str(settings.max_body_bytes))  # digits: with fewer no length is too large
        # With what tells this process from the others. No function of ours makes one.
        self._ids = map(f"{os.urandom(6).hex()}-%x".__mod__, count(1))

    def enter(self, exchange: Exchange) -> None:
        """Give a request its id; let it in where an operation answers it, or raise what refuses it.

        Its own id stays, if it can be repeated. Raises Unauthorized, Forbidden, RateLimited,
        BodyTooLarge and MalformedBody.
        """
        headers, operation = exchange.request.headers, exchange.operation
        given = headers.get("x-request-id")
        if given and VALID_ID(given):
            exchange.id = given
        else:
            exchange.id = next(self._ids)
        if operation is None:
            return
        if operation.scope not in self._open:
            self._access.check(exchange, operation.scope)
        length = headers.get("content-length")
        if length and len(length) >= self._long:
            declared(exchange.request, self._max_body_bytes)
