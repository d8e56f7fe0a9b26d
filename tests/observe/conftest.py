"""A service in this process, for the tests of what observes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from models.registry import Registry
from service.app import create_app, create_host, create_observers
from service.observe.metrics import Metrics
from service.settings import Settings

Serve = Callable[..., FlaskClient]


@pytest.fixture
def serve(shipped: Registry) -> Serve:
    """A client of a service with these settings and the observers that they want."""

    def serve(root: Path = shipped.root, **given: object) -> FlaskClient:
        settings = Settings(registry=root, **given)  # type: ignore[arg-type]
        host = create_host(settings)
        metrics = Metrics(host)
        observers = create_observers(settings, metrics)
        return create_app(settings, host, metrics, observers).test_client()

    return serve
