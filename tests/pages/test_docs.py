"""The page that shows the OpenAPI document, in a browser."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from service.pages.operations import STATIC, TEMPLATES
from tests.browser import Visits, browsing
from tests.servers import PATIENCE, SERVICE_PYTHON, Server, running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("docs")
    with running(folder, workers=1, registry=shipped_root) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def seen(server: Server, browser: Browser) -> tuple[Page, list[str], list[str]]:
    """The page, what the browser complained of, and all that it asked for."""
    complaints: list[str] = []
    asked: list[str] = []
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/docs")
    expect(page.get_by_text("/v2/repository/index")).to_be_visible()
    return page, complaints, asked


Seen = tuple[Page, list[str], list[str]]


def test_the_page_shows_each_dialect(seen: Seen) -> None:
    page, _, _ = seen
    for tag in ("native", "v1", "v2", "admin", "operations"):
        expect(page.locator(f"#operations-tag-{tag}")).to_be_visible()


def test_a_request_can_be_tried_on_the_page(seen: Seen) -> None:
    page, _, _ = seen
    expect(tried(page, "predict", "POST /predict")).to_have_text("200")


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


KEY, ADMIN = "calories_docs-0123456789", "calories_ops-0123456789"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """A service that asks for keys."""
    digests = {
        f"{scope}_keys": f"{scope}:{sha256(key.encode()).hexdigest()}"
        for scope, key in (("predict", KEY), ("admin", ADMIN))
    }
    folder = tmp_path_factory.mktemp("closed")
    with running(folder, SERVICE_PYTHON, workers=1, registry=shipped_root, **digests) as server:
        yield server


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visits]:
    visits = Visits(browser)
    yield visits
    visits.close()


def test_a_key_is_asked_for_and_sent_with_everything(visit: Visits, closed: Server) -> None:
    page = visit(f"{closed.url}/docs")
    said = page.get_by_role("alert")
    expect(said).to_have_text("This service asks for a key.")
    page.get_by_label("Key").fill("calories_wrong")
    page.get_by_role("button", name="Use it").click()
    expect(said).to_have_text("The service refused this key.")
    page.get_by_label("Key").fill(KEY)
    page.get_by_role("button", name="Use it").click()
    expect(said).to_be_hidden()
    expect(page.get_by_label("Key")).to_be_hidden()
    expect(tried(page, "predict", "POST /predict")).to_have_text("200")
    page.reload()
    expect(page.get_by_text("/v2/repository/index")).to_be_visible()
    assert KEY not in page.content()


def test_a_key_for_administration_is_given_beside_it(visit: Visits, closed: Server) -> None:
    page = visit(f"{closed.url}/docs")
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    expect(tried(page, "status", "GET /admin/status", "admin")).to_have_text("403")
    operation = page.locator("#operations-admin-status")
    for field in ("#api_key_value", "#auth-bearer-value"):
        page.get_by_role("button", name="Authorize").first.click()
        page.locator(field).fill(ADMIN)
        page.locator(field).press("Enter")
        page.get_by_role("button", name="Close").first.click()
        operation.get_by_role("button", name="Execute").click()
        expect(status(operation)).to_have_text("200")
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_role("button", name="Remove authorization").click()
        page.get_by_role("button", name="Close").first.click()
        operation.get_by_role("button", name="Execute").click()
        expect(status(operation)).to_have_text("403")


def test_the_key_that_the_page_was_given_is_taken(visit: Visits, closed: Server) -> None:
    page = visit(closed.url)
    page.get_by_role("alert").get_by_label("Key").fill(KEY)
    page.get_by_role("alert").get_by_role("button", name="Use it").click()
    page.get_by_role("link", name="All requests and answers").click()
    expect(page.get_by_text("/v2/repository/index")).to_be_visible()


def tried(page: Page, name: str, button: str, tag: str = "native") -> Locator:
    """The status that an operation answers when it is tried."""
    operation = page.locator(f"#operations-{tag}-{name}")
    operation.get_by_role("button", name=button).first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    return status(operation)


def status(operation: Locator) -> Locator:
    return operation.locator(".live-responses-table td.response-col_status:not(.col_header)")
