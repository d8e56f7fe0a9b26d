"""Log lines that somebody else's doing could make as many of as they like."""

from logging import Logger
from time import monotonic
from typing import Any

from service.logs import catalogue

SECONDS = 1.0  # from one line to the next at least


class Seldom:
    """Tells an event once a second at most, with `left_out`, how many were not told before."""

    def __init__(self, log: Logger, event: catalogue.Event) -> None:
        self._log = log
        self._event = event
        self._after = 0.0
        self._left_out = 0
        self.times = 0  # that there was something to tell

    def tell(self, **fields: Any) -> None:
        """Tell it, or count it."""
        self.times += 1
        now = monotonic()
        if now < self._after:
            self._left_out += 1
            return
        catalogue.tell(self._log, self._event, **fields, left_out=self._left_out)
        self._after, self._left_out = now + SECONDS, 0
