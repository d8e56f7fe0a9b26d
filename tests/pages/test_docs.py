"""The page that shows the OpenAPI document, in a browser."""

from playwright.sync_api import Locator, Page, expect

from tests.browser import Visits
from tests.pages.conftest import ADMIN, KEY
from tests.servers import Server


def tried(page: Page, name: str, button: str, tag: str = "native") -> Locator:
    """The status that an operation answers when it is tried."""
    operation = page.locator(f"#operations-{tag}-{name}")
    operation.get_by_role("button", name=button).first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table td.response-col_status:not(.col_header)")


def test_the_page_shows_each_dialect_to_try_and_loads_nothing_from_elsewhere(
    visit: Visits, server: Server
) -> None:
    page = visit("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/docs")
    for tag in ("native", "v1", "v2", "admin", "operations"):
        expect(page.locator(f"#operations-tag-{tag}")).to_be_visible()
    expect(tried(page, "predict", "POST /predict")).to_have_text("200")
    assert {url for url in asked if not url.startswith(("data:", server.url))} == set()


def test_a_key_is_asked_for_and_one_for_administration_given_beside_it(
    visit: Visits, closed: Server
) -> None:
    page = visit(f"{closed.url}/docs")
    said = page.get_by_role("alert")
    expect(said).to_have_text("This service asks for a key.")
    page.get_by_label("Key").fill("calories_wrong")
    page.get_by_role("button", name="Use it").click()
    expect(said).to_have_text("The service refused this key.")
    page.get_by_label("Key").fill(KEY)
    page.get_by_label("Key").press("Enter")
    expect(said).to_be_hidden()
    expect(page.get_by_label("Key")).to_be_hidden()
    expect(tried(page, "predict", "POST /predict")).to_have_text("200")
    status = tried(page, "status", "GET /admin/status", "admin")
    expect(status).to_have_text("403")
    execute = page.locator("#operations-admin-status").get_by_role("button", name="Execute")
    for field in ("#api_key_value", "#auth-bearer-value"):
        page.get_by_role("button", name="Authorize").first.click()
        page.locator(field).fill(ADMIN)
        page.locator(field).press("Enter")
        page.get_by_role("button", name="Close").first.click()
        execute.click()
        expect(status).to_have_text("200")
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_role("button", name="Remove authorization").click()
        page.get_by_role("button", name="Close").first.click()
    execute.click()
    expect(status).to_have_text("403")
    page.reload()
    expect(page.get_by_text("/v2/repository/index")).to_be_visible()
    assert KEY not in page.content()
