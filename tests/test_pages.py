"""What pages and their files are sent with."""

from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from models.registry import Registry
from service.app import create_app, create_host
from service.config import Settings


@pytest.fixture(scope="module")
def client(shipped: Registry) -> Iterator[FlaskClient]:
    settings = Settings(registry=shipped.root)
    host = create_host(settings)
    yield create_app(settings, host).test_client()
    host.close()


def test_the_front_page_may_load_from_this_service_only(client: FlaskClient) -> None:
    response = client.get("/")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_a_page_that_is_the_same_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert "content-security-policy" in again.headers
