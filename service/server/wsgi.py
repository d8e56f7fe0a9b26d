"""The server's target. Imported once in every worker, after the fork: models load here."""

from service.app import create_application, create_host, create_observers, flask_app
from service.logs import output
from service.observe.metrics import Metrics
from service.settings import Settings

settings = Settings()
output.configure(settings)
host = create_host(settings)
host.follow(settings.poll_seconds)
metrics = Metrics(host, settings.metrics_folder)
metrics.follow()
application = create_application(settings, host, metrics, create_observers(settings, metrics))
app = flask_app(application, settings)
