"""python -m tests.first_answer: how long after the load event the page shows its first answer."""

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from tests.browser import Visits, browsing
from tests.servers import await_, running

VISITS = 21
# Milliseconds from the end of the load event to the mark that main.js sets.
WAITED = """() => {
  const answer = performance.getEntriesByName("answer")[0];
  const [load] = performance.getEntriesByType("navigation");
  return answer ? answer.startTime - load.loadEventEnd : null;
}"""


def main() -> None:
    """Visit the page in contexts of their own, and print the median."""
    with TemporaryDirectory() as folder, running(Path(folder)) as server, browsing() as browser:
        waited = sorted(visited(browser, server.url) for _ in range(VISITS))
    print(
        f"first answer after the load event, {VISITS} visits: median {median(waited):.0f} ms, "
        f"{waited[0]:.0f} to {waited[-1]:.0f} ms"
    )


def visited(browser: Browser, url: str) -> float:
    """Milliseconds of one visit."""
    visits = Visits(browser)
    page = visits(url)
    await_(lambda: page.evaluate(WAITED) is not None, "the page has its answer")
    waited = float(page.evaluate(WAITED))
    page.context.close()
    return waited


if __name__ == "__main__":
    main()
