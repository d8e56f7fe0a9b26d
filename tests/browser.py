"""A browser for the tests of pages: the system's Chromium, its complaints collected."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.needs import need
from tests.servers import PATIENCE

DESK = (1280, 900)
PHONE = (360, 740)
# What Chromium itself says of an answer that is no success; whether it should be, a test knows.
REFUSED = "Failed to load resource"

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def browsing(*arguments: str) -> Iterator[Browser]:
    """Chromium, started with these arguments beside Playwright's own."""
    chromium = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield browser
        browser.close()


@dataclass
class Visits:
    """Pages, each in a context of its own, and what went wrong in them."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self,
        url: str,
        *,
        language: str = "en-US",
        scheme: str = "light",
        size: tuple[int, int] = DESK,
    ) -> Page:
        """A page at `url`, as a person with these wishes sees it."""
        context = self.browser.new_context(
            locale=language,
            color_scheme=scheme,  # type: ignore[arg-type]  # a string is one of its literals
            viewport={"width": size[0], "height": size[1]},
        )
        context.set_default_timeout(PATIENCE * 1000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.complain(message.text))
        page.on("pageerror", lambda error: self.complain(str(error)))
        page.goto(url)
        return page

    def complain(self, text: str) -> None:
        if not text.startswith(REFUSED):
            self.complaints.append(text)

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        assert self.complaints == []
