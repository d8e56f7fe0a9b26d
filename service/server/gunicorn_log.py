"""gunicorn's logger, whose lines look like all others (output.py)."""

from logging import LogRecord
from typing import Any

from gunicorn.glogging import Logger as Plain

from service.logs import output
from service.settings import Settings


class Logger(Plain):
    """Logs through the root logger; gunicorn's own setting for it would start an access log too."""

    def setup(self, cfg: Any) -> None:
        """Called when gunicorn starts; the workers inherit it."""
        super().setup(cfg)
        output.configure(Settings())
        self.error_log.addFilter(_without_what_came)


def _without_what_came(record: LogRecord) -> bool:
    """Let a line of gunicorn's name an exception only: its text repeats bytes, a key among them."""
    if isinstance(record.args, tuple):
        named = (type(it).__name__ if isinstance(it, Exception) else it for it in record.args)
        record.args = tuple(named)
    return True
