"""What pages and their files are sent with."""

import re
import shutil
from collections.abc import Iterator
from html import escape

import pytest
from flask.testing import FlaskClient

from models.manifest import ROWS
from models.publish import publish, staging
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


@pytest.mark.parametrize("path", ["/", "/docs", "/static/page/icon.svg"])
def test_pages_load_from_this_service_only_send_nothing_elsewhere_and_are_in_no_frame(
    client: FlaskClient, path: str
) -> None:
    with client.get(path) as response:
        headers = response.headers
        assert response.status_code == 200
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == "'self'"
    for closed in ("default-src", "base-uri", "form-action", "frame-ancestors"):
        assert policy[closed] == "'none'"
    if path == "/":
        assert (policy["script-src"], policy["style-src"]) == ("'self'", "'self'")
        assert headers["content-type"] == "text/html; charset=utf-8"


def test_the_page_asks_for_all_its_modules_at_once_and_has_its_first_row(
    client: FlaskClient,
) -> None:
    """Else a module is asked for only when one that imports it has come."""
    page = client.get("/").text
    loaded = re.findall(r'(?:modulepreload" href|script src)="static/page/([^"]+)"', page)
    assert sorted(loaded) == sorted(each.name for each in (STATIC / "page").glob("*.js"))
    row = '{"sugar":7.0,"fiber":1.75,"protein":2.5}'
    assert f'data-first-row="{escape(row)}"' in page


@pytest.mark.parametrize("path", ["/", "/static/page/main.js"])
def test_what_is_the_same_is_not_sent_again(client: FlaskClient, path: str) -> None:
    with client.get(path) as first:
        assert first.headers["cache-control"] == "no-cache"
        tag = first.headers["etag"]
    with client.get(path, headers={"if-none-match": tag}) as again:
        assert (again.status_code, again.data) == (304, b"")
        assert "content-security-policy" in again.headers


def test_the_viewer_of_the_document_is_kept_for_ever_by_its_version(client: FlaskClient) -> None:
    versioned = re.findall(r'"(static/[^"]+\?v=([0-9.]+))"', client.get("/docs").text)
    assert len(versioned) == 2
    for address, version in versioned:
        with client.get(f"/{address}") as answer:
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.content_type.startswith(("text/javascript", "text/css"))
        assert version in (STATIC / "vendor/swagger-ui/swagger-ui-bundle.js").read_text()
    assert "Apache License" in (STATIC / "vendor/swagger-ui/LICENSE").read_text()


def test_rows_of_training_are_served_as_they_were_published_where_there_are_any(
    registry: Registry, shipped: Registry
) -> None:
    for model, names in (("linear", ()), ("linear-unit", (ROWS,))):
        with staging(registry, model) as draft:
            shutil.copytree(shipped.folder(model, 1), draft, dirs_exist_ok=True)
            for name in names:
                (draft / name).unlink()
            publish(registry, draft, shipped.manifest(model, 1), promote=True)
    settings = Settings(registry=registry.root, default_model="linear")
    host = create_host(settings)
    client = create_app(settings, host).test_client()
    there, missing = (client.get(f"/models/{m}/1/training") for m in ("linear", "linear-unit"))
    host.close()
    assert (there.status_code, there.content_type) == (200, "text/csv; charset=utf-8")
    assert there.data == (shipped.folder("linear", 1) / ROWS).read_bytes()
    assert (missing.status_code, missing.content_type) == (404, "application/problem+json")
    assert "linear-unit version 1 has no training.csv" in missing.get_json(force=True)["detail"]
