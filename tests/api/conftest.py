"""One client of the versions that ship, asked in every dialect and both ways."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from werkzeug.test import Client

from models.registry import Registry
from service.app import create_host
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways


@pytest.fixture(scope="session")
def small(shipped: Registry) -> Settings:
    """Settings whose limits are soon reached."""
    return Settings(registry=shipped.root, max_body_bytes=8192, max_rows=50)


@pytest.fixture(scope="session")
def client(small: Settings, host: Host) -> Client:
    return both_ways(small, host)


Serve = Callable[..., Client]


@pytest.fixture
def serve(registry: Registry) -> Iterator[Serve]:
    """A client of a service with these settings, which serves what `registry` has by then."""
    with ExitStack() as stack:

        def serve(**chosen: object) -> Client:
            settings = Settings.model_validate({"registry": registry.root, **chosen})
            host = create_host(settings)
            stack.callback(host.close)
            return both_ways(settings, host)

        yield serve
