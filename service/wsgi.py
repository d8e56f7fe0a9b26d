"""The server's target. Imported once in every worker, after the fork: models load here."""

import logging

from service.app import create_app, create_host
from service.config import Settings

settings = Settings()
logging.basicConfig(
    level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
)
host = create_host(settings)
host.follow(settings.poll_seconds)
app = create_app(settings, host)
