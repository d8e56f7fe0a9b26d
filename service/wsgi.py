"""The server's target. Imported once in every worker, after the fork: models load here."""

from service import logs
from service.app import create_app, create_host, create_watchers
from service.config import Settings
from service.metrics import Metrics

settings = Settings()
logs.configure(settings)
host = create_host(settings)
host.follow(settings.poll_seconds)
metrics = Metrics(host, settings.metrics_folder, settings.server)
metrics.follow()
app = create_app(settings, host, metrics, create_watchers(settings, metrics))
