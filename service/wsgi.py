"""The server's target. Imported once in every worker, after the fork: models load here."""

import logging

from service.app import create_app, create_host
from service.config import Settings
from service.metrics import Metrics

settings = Settings()
logging.basicConfig(
    level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
)
host = create_host(settings)
host.follow(settings.poll_seconds)
metrics = Metrics(host, settings.metrics_folder, settings.server)
metrics.follow()
app = create_app(settings, host, metrics)
