"""The server's target. Imported once in every worker, after the fork: models load here."""

from service.app import create_app, create_host, create_watchers
from service.logs import output
from service.observe.metrics import Metrics
from service.settings import Settings

settings = Settings()
output.configure(settings)
host = create_host(settings)
host.follow(settings.poll_seconds)
metrics = Metrics(host, settings.metrics_folder, settings.server)
metrics.follow()
app = create_app(settings, host, metrics, create_watchers(settings, metrics))
