"""Visits to pages, a service that is open, and one that asks for keys."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import Visits
from tests.servers import Server, running

KEY, BUSY, ADMIN = (f"calories_{name}-0123456789" for name in ("page", "busy", "ops"))


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visits]:
    visits = Visits(browser)
    yield visits
    visits.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("open"), workers=1, registry=shipped_root) as server:
        yield server


@pytest.fixture(scope="session")
def closed(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """A service that asks for keys, and gives each 40 requests at once and 2 a second."""
    page, busy, ops = (sha256(key.encode()).hexdigest() for key in (KEY, BUSY, ADMIN))
    with running(
        tmp_path_factory.mktemp("closed"),
        workers=1,
        registry=shipped_root,
        default_model="deep",
        predict_keys=f"page:{page},busy:{busy}",
        admin_keys=f"ops:{ops}",
        rate_limit=2,
        rate_burst_seconds=20,
    ) as server:
        yield server
