"""A part of the service that goes on whatever it raises, and that harms no other part.

Background threads, observers and the metrics of one model run so. What is raised is told in the
log, each kind once an hour, and counted.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from traceback import walk_tb
from typing import ParamSpec, TypeVar

from service.logs import catalogue

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger("service")

Kind = tuple[str | int, ...]

TOLD_SECONDS = 3600.0  # until the same is told again

survived: Counter[str] = Counter()  # exceptions in this process, by the part that raised them
_counting = threading.Lock()


class Survivor:
    """Runs what belongs to `part`; of many threads at once, if need be."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._told: dict[Kind, float] = {}  # by kind: when it was told

    def run(self, do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `do` gives; None when it raised an exception."""
        try:
            return do(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever it is, it is told and counted
            self.note(error)
            return None

    def note(self, error: Exception) -> None:
        """Count what was raised, and tell it."""
        with _counting:
            survived[self._part] += 1
        with suppress(Exception):  # it may be the log that fails
            self._tell(error)

    def follow(self, do: Callable[[], object], wait: Callable[[], object]) -> None:
        """Run `do` in a thread of its own whenever `wait` gives something true, until it does not.

        `wait` waits for the next time, and must not raise.
        """

        def loop() -> None:
            while wait():
                self.run(do)

        threading.Thread(target=loop, name=self._part, daemon=True).start()

    def _tell(self, error: Exception) -> None:
        """Log an exception: with a traceback, unless it is the disk or the network that failed."""
        kind, now = _kind(error), monotonic()
        last = self._told.get(kind)
        if last is None or now - last >= TOLD_SECONDS:
            self._told[kind] = now
            foreseen = isinstance(error, OSError)
            event = catalogue.PART_FAILED._replace(traceback=not foreseen)
            catalogue.tell(log, event, part=self._part, reason=f"{type(error).__name__}: {error}")


def _kind(error: Exception) -> Kind:
    """What is raised, by which line of the part and where: as many as the source has, no more."""
    lines = [line for _, line in walk_tb(error.__traceback__)]
    return type(error).__qualname__, *lines[1:2], *lines[-1:]
