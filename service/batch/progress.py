"""A progress bar on standard error, where that is a terminal."""

import sys
import time

WIDTH = 30
EVERY = 0.1  # seconds between two drawings


class Progress:
    """Draws how far a job is; nothing at all when nobody looks."""

    def __init__(self) -> None:
        self._seen = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._drawn = 0.0

    def __call__(self, done: float, rows: int) -> None:
        """Tell that a share `done` of the file, `rows` rows, was scored."""
        now = time.monotonic()
        if self._seen and (now - self._drawn > EVERY or done >= 1):
            self._drawn = now
            filled = "█" * round(done * WIDTH)
            left = (now - self._begun) * (1 / max(done, 1e-9) - 1)
            line = f"{filled:░<{WIDTH}} {done:4.0%}  {rows:,} rows  {left:,.0f} s left"
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Clear the line."""
        if self._seen:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
