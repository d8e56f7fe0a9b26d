"""One client of the versions that ship, asked in every dialect and both ways."""

from collections.abc import Iterator

import pytest
from werkzeug.test import Client

from models.registry import Registry
from service.app import create_host
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways


@pytest.fixture(scope="session")
def host(shipped: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=shipped.root, engine="litert"))
    yield host
    host.close()


@pytest.fixture(scope="session")
def small(shipped: Registry) -> Settings:
    """Settings whose limits are soon reached."""
    return Settings(registry=shipped.root, max_body_bytes=4096, max_rows=50)


@pytest.fixture(scope="session")
def client(small: Settings, host: Host) -> Client:
    return both_ways(small, host)
