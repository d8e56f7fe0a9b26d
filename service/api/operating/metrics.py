"""GET /metrics: for Prometheus."""

from flask import Blueprint, Response, request

from service.observe.metrics import Metrics


def blueprint(metrics: Metrics) -> Blueprint:
    """What all workers counted, and what is served."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    def scrape() -> Response:
        """Give the metrics in Prometheus's text format, or in OpenMetrics to who prefers it."""
        text, content_type = metrics.scrape(request.headers.get("Accept", ""))
        return Response(text, content_type=content_type)

    return routes
