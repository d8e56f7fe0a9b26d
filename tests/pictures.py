"""python -m tests.pictures: the README's pictures of the page, by day and by night."""

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser

from tests.browser import Visits, browsing
from tests.servers import ROOT, running

SIZE = (1160, 1470)  # down to the end of the chart
COLOURS = 256  # enough for flat colours and smooth letters


def main() -> None:
    """Write docs/page-light.png and docs/page-dark.png."""
    with TemporaryDirectory() as folder, running(Path(folder)) as server, browsing() as browser:
        for scheme in ("light", "dark"):
            picture = Image.open(BytesIO(taken(browser, server.url, scheme)))
            path = ROOT / "docs" / f"page-{scheme}.png"
            picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
            print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def taken(browser: Browser, url: str, scheme: str) -> bytes:
    """The page with a row where the curves bend."""
    page = Visits(browser)(url, scheme=scheme, size=SIZE)
    page.locator(".dot").first.wait_for(state="attached")
    page.locator("#example").select_option(label="Basic 4")
    page.locator("#measured").wait_for()
    page.locator(".dot[aria-selected=true]").wait_for()
    page.wait_for_timeout(500)  # until nothing moves any more
    return page.screenshot()


if __name__ == "__main__":
    main()
