"""gunicorn's logger, whose lines look like all others (logs.py)."""

from typing import Any

from gunicorn.glogging import Logger as Plain

from service import logs
from service.config import Settings


class Logger(Plain):
    """Logs through the root logger; gunicorn's own setting for it would start an access log too."""

    def setup(self, cfg: Any) -> None:
        """Called when gunicorn starts; the workers inherit it."""
        super().setup(cfg)
        logs.configure(Settings())
