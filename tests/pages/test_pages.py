"""What pages and their files are sent with."""

import re
from collections.abc import Iterator
from html import escape

import pytest
from flask.testing import FlaskClient

from models.registry import Registry
from service.app import create_app, create_host
from service.pages.operations import STATIC
from service.settings import Settings


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


@pytest.mark.parametrize("path", ["/", "/docs", "/static/page/icon.svg"])
def test_pages_and_their_files_send_nothing_elsewhere_and_are_in_no_frame(
    client: FlaskClient, path: str
) -> None:
    with client.get(path) as response:
        headers = response.headers
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == "'self'"
    for closed in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[closed] == "'none'"


def test_the_page_asks_for_all_its_modules_at_once(client: FlaskClient) -> None:
    """Else a module is asked for only when one that imports it has come."""
    loaded = re.findall(
        r'(?:modulepreload" href|script src)="static/page/([^"]+)"', client.get("/").text
    )
    assert sorted(loaded) == sorted(each.name for each in (STATIC / "page").glob("*.js"))


def test_the_page_has_the_row_that_it_asks_first(client: FlaskClient) -> None:
    row = '{"sugar":7,"fiber":2,"protein":3}'
    assert f'data-first-row="{escape(row)}"' in client.get("/").text


def test_a_page_that_is_the_same_is_not_sent_again(client: FlaskClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert "content-security-policy" in again.headers
