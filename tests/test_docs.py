"""The page that shows the OpenAPI document, in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from service.pages.operations import STATIC, TEMPLATES
from tests.browser import browsing
from tests.serving import PATIENCE, Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("docs")
    with running(folder, workers=1, registry=shipped_root) as server:
        yield server


@pytest.fixture(scope="module")
def seen(server: Server) -> Iterator[tuple[Page, list[str], list[str]]]:
    """The page, what the browser complained of, and all that it asked for."""
    complaints: list[str] = []
    asked: list[str] = []
    with browsing() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{server.url}/docs")
        expect(page.get_by_text("/v2/repository/index")).to_be_visible()
        yield page, complaints, asked


Seen = tuple[Page, list[str], list[str]]


def test_the_page_shows_each_dialect(seen: Seen) -> None:
    page, _, _ = seen
    for tag in ("native", "v1", "v2", "admin", "operations"):
        expect(page.locator(f"#operations-tag-{tag}")).to_be_visible()


def test_a_request_can_be_tried_on_the_page(seen: Seen) -> None:
    page, _, _ = seen
    operation = page.locator("#operations-native-predict")
    operation.get_by_role("button", name="POST /predict").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table td.response-col_status:not(.col_header)")
    expect(status).to_have_text("200")


def test_nothing_is_blocked_and_nothing_comes_from_elsewhere(seen: Seen, server: Server) -> None:
    _, complaints, asked = seen
    assert complaints == []
    assert {url for url in asked if not url.startswith(("data:", server.url))} == set()


def test_what_has_a_version_in_its_address_is_kept_for_ever(server: Server) -> None:
    html = requests.get(f"{server.url}/docs", timeout=PATIENCE).text
    versioned = re.findall(r'"(static/[^"]+\?v=[^"]+)"', html)
    assert len(versioned) == 2
    for address in versioned:
        answer = requests.get(f"{server.url}/{address}", timeout=PATIENCE)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))


def test_the_version_in_the_address_is_that_of_the_viewer() -> None:
    [version] = set(re.findall(r"\?v=([0-9.]+)", (TEMPLATES / "docs.html").read_text()))
    assert version in (STATIC / "vendor/swagger-ui/swagger-ui-bundle.js").read_text()


def test_the_viewer_ships_with_its_licence() -> None:
    assert "Apache License" in (STATIC / "vendor/swagger-ui/LICENSE").read_text()
