"""GET /metrics: for Prometheus."""

from flask import Blueprint, Response

from service.metrics import Metrics

TEXT = "text/plain; version=0.0.4; charset=utf-8"


def blueprint(metrics: Metrics) -> Blueprint:
    """What all workers counted, and what is served."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def scrape() -> Response:
        """Give the metrics in Prometheus's text format."""
        return Response(metrics.text(), content_type=TEXT)

    return routes
