"""How many requests a second a key may send."""

import threading
from collections.abc import Callable
from time import monotonic


class Rates:
    """One token bucket a key, as the generic cell rate algorithm keeps it (ITU-T I.371).

    A bucket of `rate * burst_seconds` tokens that fills at `rate` is one number: the time at
    which it will be full again. Each of `workers` processes gives out its own share.
    """

    def __init__(
        self, burst_seconds: float, workers: int = 1, clock: Callable[[], float] = monotonic
    ) -> None:
        self._burst_seconds = burst_seconds
        self._workers = workers
        self._clock = clock
        self._full_at: dict[object, float] = {}
        self._lock = threading.Lock()

    def take(self, key: object, rate: float) -> float:
        """Take one token of a bucket that gets `rate` a second; the seconds to wait, 0 if none."""
        share = rate / self._workers
        empty = max(self._burst_seconds, 1 / share)  # seconds to fill: never less than one token
        now = self._clock()
        with self._lock:
            full_at = max(now, self._full_at.get(key, now)) + 1 / share
            if full_at - now <= empty + 1e-6:  # which sums of floats may be off by
                self._full_at[key] = full_at
                return 0.0
        return full_at - now - empty
