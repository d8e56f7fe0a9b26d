"""The page at /, in a browser, on the real service."""

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, Route, expect

from benchmarks.started import started
from models.manifest import REPORT, ROWS
from models.publish import publish, staging
from models.registry import Registry
from tests.browser import DESK, PHONE, Visits
from tests.needs import need
from tests.pages.conftest import BUSY, KEY
from tests.servers import DEV_PYTHON, PATIENCE, Server, await_, free_port, running

LOOKS = [("en", "light"), ("zh-CN", "dark")]


@pytest.fixture
def page(visit: Visits, server: Server) -> Page:
    """The page in English, when all of it is drawn."""
    return drawn(visit(server.url))


def drawn(page: Page) -> Page:
    page.locator(".dot").first.wait_for(state="attached")
    expect(page.locator("#value")).to_have_text(re.compile(r"\d"))
    return page


def row(page: Page) -> dict[str, float]:
    """What the number fields hold."""
    return {
        name: float(page.locator(f"#input-{name}").input_value())
        for name in ("sugar", "fiber", "protein")
    }


def fill(page: Page, **grams: float) -> None:
    for name, value in grams.items():
        page.locator(f"#input-{name}").fill(f"{value:g}")


def expect_prediction(page: Page, server: Server, grams: dict[str, float], query: str = "") -> None:
    """The number and the interval are the service's own for the row."""
    answer = server.predict(grams, query).json()
    expect(page.locator("#value")).to_have_text(f"{answer['calories']:.0f}")
    interval = f"{answer['lower']:.0f} to {answer['upper']:.0f}"
    expect(page.locator("#interval")).to_contain_text(interval)


def test_a_moved_slider_moves_everything(page: Page, server: Server) -> None:
    assert row(page) == {"sugar": 7, "fiber": 1.75, "protein": 2.5}, "the middle of training"
    expect_prediction(page, server, row(page))
    expect(page.locator("#version")).to_have_text("calories, version 1")
    slider = page.get_by_role("slider", name="sugar")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowRight")
    assert row(page) == {"sugar": 9, "fiber": 1.75, "protein": 2.5}
    expect_prediction(page, server, row(page))
    answer = requests.post(f"{server.url}/explain", json=row(page), timeout=PATIENCE).json()
    bars = page.get_by_role("table", name="What each input adds")
    for name, kcal in answer["contributions"].items():
        expect(bars.get_by_role("row", name=name)).to_contain_text(f"{abs(kcal):.1f}")
    expect(page.locator("#curl")).to_contain_text('{"sugar":9,"fiber":1.75,"protein":2.5}')
    expect(page.locator("#said")).to_have_text(re.compile(r"\d+ kcal a serving, between"))


def test_a_number_that_cannot_be_is_told_and_so_is_one_outside_the_training_range(
    page: Page,
) -> None:
    before = page.locator("#value").text_content()
    fill(page, fiber=1001)
    expect(page.locator("#hint-fiber")).to_have_text("a number from 0 to 1,000")
    expect(page.locator("#input-fiber")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#value")).to_have_text(str(before))
    fill(page, fiber=2)
    expect(page.locator("#hint-fiber")).to_contain_text("trained on 0 to 14 g a serving")
    expect(page.locator("#outside")).to_be_hidden()
    fill(page, sugar=40)
    expect(page.locator("#outside")).to_contain_text("Outside what the model was trained on: sugar")


def test_every_model_has_a_curve_with_its_answer(page: Page, server: Server) -> None:
    lines = page.locator("#legend li")
    expect(lines).to_have_count(4)
    for line in lines.all():
        name = str(line.locator(".name").text_content())
        grams = {"sugar": 7} if name == "linear-unit" else row(page)
        kcal = server.predict(grams, f"?model={name}").json()["calories"]
        expect(line.locator(".value")).to_have_text(f"{kcal:.0f}")
    assert page.locator("#chart canvas").evaluate(INKED) > 1000
    page.get_by_role("radio", name="protein").check(force=True)
    expect(page.locator("#chart-axis")).to_have_text("protein, g a serving")
    expect(page.locator("#held")).to_have_text("Held where they are: sugar 7, fiber 1.75.")


# Pixels of a canvas that something was drawn on.
INKED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, place) => place % 4 === 3 && value > 0).length;
}"""


def test_a_cereal_is_taken_from_the_list_by_its_dot_or_by_the_keyboard(
    page: Page, server: Server
) -> None:
    measured, cereals = page.locator("#measured"), page.get_by_label("Take a training row")
    cereals.select_option(label="Cheerios")
    assert row(page) == {"sugar": 1, "fiber": 2, "protein": 6}
    expect_prediction(page, server, row(page))
    expect(measured).to_have_text("Cheerios: measured 110, 2 more than predicted")
    fill(page, sugar=2)
    expect(measured).to_be_hidden()
    expect(cereals).to_have_value("")
    dot = page.locator(".dot", has_text="Smacks")
    tip = dot.locator(".tip")
    expect(tip).to_be_hidden()
    dot.hover()
    tip.hover()
    expect(tip).to_be_visible()
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.locator("#chart-unit").hover()
    dot.hover()
    expect(tip).to_be_visible()
    dot.click()
    expect(measured).to_contain_text("Smacks: measured 110")
    expect(cereals).to_have_value(re.compile(r"\d+"))
    page.locator(".dot[tabindex='0']").focus()
    page.keyboard.press("End")
    last = page.locator(".dot:focus")
    expect(last).to_have_attribute("aria-label", re.compile("sugar 15 g"))
    expect(last.locator(".tip")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator("#input-sugar")).to_have_value("15")
    expect(page.locator(".dot:focus")).to_have_attribute("aria-selected", "true")


def test_a_model_of_fewer_inputs_asks_for_fewer(page: Page, server: Server) -> None:
    page.get_by_label("Model", exact=True).select_option("linear-unit")
    expect(page.locator("#version")).to_have_text("linear-unit, version 1")
    expect(page.get_by_role("slider", name="fiber")).to_be_disabled()
    expect(page.locator("#hint-fiber")).to_have_text("linear-unit does not take it")
    expect_prediction(page, server, {"sugar": 7}, "?model=linear-unit")
    expect(page.locator("#curl")).to_contain_text("/predict?model=linear-unit")


def test_the_lines_to_copy_give_the_answer_of_the_page(page: Page, server: Server) -> None:
    fill(page, sugar=6)
    expect(page.locator("#curl")).to_contain_text('"sugar":6')
    kcal = server.predict(row(page)).json()["calories"]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("[data-copies=curl]").click()
    expect(page.locator("#copied")).to_have_text("Copied.")
    need("curl")
    curl = page.evaluate("navigator.clipboard.readText()")
    told = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, text=True, check=True)
    assert f'"calories":{kcal}' in told.stdout
    code = page.locator("#python").inner_text()
    printed = subprocess.run([DEV_PYTHON, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(kcal)
    with page.expect_navigation():
        page.get_by_role("link", name="How it was trained").click()
    assert page.url == f"{server.url}/models/calories/1/report"
    expect(page.locator("h1")).to_contain_text("calories")


# Models of any table.


@pytest.mark.parametrize("model", ["one", "stranger", "sixty", "bare"])
def test_a_model_of_any_table_is_asked_and_drawn_by_what_its_manifest_says(
    visit: Visits, others: Server, model: str
) -> None:
    told = requests.get(f"{others.url}/models/{model}/1", timeout=PATIENCE).json()
    names, output = [each["name"] for each in told["inputs"]], told["output"]["name"]
    page = visit(others.url)
    page.locator("#model").select_option(model)
    expect(page).to_have_title(f"Predict {output}")
    cells = [(name, f"{place % 7 - 2.5}") for place, name in enumerate(names)]
    lines = list(zip(*reversed(cells), strict=True))
    paste(page.locator(".input [type=number]").first, "\n".join(map("\t".join, lines)))
    answer = others.predict({name: float(cell) for name, cell in cells}, f"?model={model}").json()
    await_(lambda: abs(number(page.locator("#value")) - answer[output]) < 0.1, "it is told")
    expect(page.locator("#interval")).to_be_visible(visible=bool(told["interval"]))
    expect(page.locator("#why")).to_be_visible(visible=model != "bare")
    if model != "bare":  # the mean, the largest ten, the sum of the others, the answer
        bars = page.locator("#contributions tr")
        expect(bars).to_have_count(min(len(names), 11) + 2)
        changes = [number(each) for each in page.locator("#contributions .change").all()]
        assert sum(changes[:-1]) == pytest.approx(changes[-1], abs=0.1)
    expect(page.locator(".dot")).to_have_count(9 if model == "stranger" else 0)
    assert page.locator("#chart canvas").evaluate(INKED) > 1000
    assert page.locator("img").count() == 0
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        await_(lambda: bool(page.evaluate(FITTING)), "nothing reaches beyond the page's edge")
        assert_accessible(page)


def paste(field: Locator, text: str) -> None:
    """Paste as from a spreadsheet."""
    field.evaluate(
        """(field, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            const options = { clipboardData, bubbles: true, cancelable: true };
            field.dispatchEvent(new ClipboardEvent("paste", options));
        }""",
        text,
    )


def number(element: Locator) -> float:
    """What is written there."""
    return written(str(element.text_content()))


def written(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))


def test_cells_of_a_spreadsheet_fill_the_fields_from_one_on(page: Page, server: Server) -> None:
    paste(page.locator("#input-fiber"), "3\t4.5\t99\n")
    expect_prediction(page, server, {"sugar": 7, "fiber": 3, "protein": 4.5})
    paste(page.locator("#input-sugar"), "2\nmuch\n5")
    expect(page.locator("#hint-fiber")).to_have_text("a number from 0 to 1,000")
    expect_prediction(page, server, {"sugar": 2, "fiber": 3, "protein": 5})


def test_numbers_of_any_size_are_told_with_the_digits_that_matter(page: Page) -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, 1000) * 10.0 ** rng.uniform(-38, 38, 1000)
    told: list[Any] = page.evaluate(
        """async (values) => {
            const { short, widened } = await import("/static/page/numbers.js");
            const before = (at) => values.at(at - 1);
            return values.map((value, at) => [short(value), ...widened([value, before(at)])]);
        }""",
        values.tolist(),
    )
    for value, before, (text, low, high) in zip(values, np.roll(values, 1), told, strict=True):
        assert written(text) == pytest.approx(value, rel=0.001)
        assert len(text) < 13
        assert low <= min(value, before) < max(value, before) <= high


# A table of one's own.

DROP = """(zone, [name, text]) => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([text], name, { type: "text/csv" }));
    for (const kind of ["dragenter", "dragover", "drop"]) {
        zone.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
    }
}"""


def drop(page: Page, text: str) -> Locator:
    """Drop a file; where the page tells of it."""
    page.locator("#drop").evaluate(DROP, ["mine.csv", text])
    return page.locator("#scored")


def test_a_dropped_table_comes_back_with_its_answers(page: Page, server: Server) -> None:
    lines = ["protein,name,sugar,fiber", '2,"Oats, plain",5,1', "1,Hoops,12,0", ""]
    expect(drop(page, "\r\n".join(lines))).to_contain_text("2 rows of mine.csv scored.")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download the scored CSV").click()
    assert downloading.value.suggested_filename == "mine.scored.csv"
    header, *rows = csv.reader(io.StringIO(Path(downloading.value.path()).read_text()))
    assert header == [*lines[0].split(","), "calories", "lower", "upper", "in_range"]
    assert rows[0][:4] == ["2", "Oats, plain", "5", "1"]
    for cells, grams in zip(rows, ([5, 1, 2], [12, 0, 1]), strict=True):
        sent = dict(zip(("sugar", "fiber", "protein"), grams, strict=True))
        assert float(cells[4]) == pytest.approx(server.predict(sent).json()["calories"])


def test_a_large_table_goes_in_parts(page: Page) -> None:
    lines = ["sugar,fiber,protein", *(f"{i % 15},1,2" for i in range(45_000)), ""]
    expect(drop(page, "\n".join(lines))).to_contain_text("45,000 rows of mine.csv scored.")
    wrong = [*lines[:30_001], "-1,1,2", *lines[30_001:]]
    expect(drop(page, "\n".join(wrong))).to_contain_text("row 30001, sugar: expected a number")


def test_a_table_that_is_not_right_is_told_where(page: Page, tmp_path: Path) -> None:
    for text, sentence in (
        ("sugar,fibre,protein\n1,2,3\n", "has no column fiber; it has: sugar, fibre, protein."),
        ("sugar,fiber,protein\n", "mine.csv has no rows below its header."),
        ("sugar,fiber,protein\n1,2\n", "row 1: expected 3 cells as in the header, received 2"),
        ("sugar,fiber,protein\n1,2,3\n1,x,3\n", "row 2, fiber: expected a number from 0 to 1000"),
        ("", "has no column sugar, fiber, protein"),
    ):
        expect(drop(page, text)).to_contain_text(sentence)
        expect(page.get_by_role("link", name="Download")).to_have_count(0)
    (tmp_path / "few.csv").write_text("sugar,fiber,protein\n1,2,3\n")
    page.get_by_label("Choose a file").set_input_files(tmp_path / "few.csv")
    expect(page.locator("#scored")).to_contain_text("1 row of few.csv scored.")


# Languages, keyboard, screen readers, sizes.


def test_the_page_speaks_the_browsers_language_until_another_is_chosen(
    visit: Visits, server: Server
) -> None:
    page = drawn(visit(server.url, language="zh-CN"))
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page.locator("#serving-title")).to_have_text("输入")
    expect(page.locator("#hint-sugar")).to_contain_text("0 至 15 克")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#serving-title")).to_have_text("Inputs")
    expect(page.locator("#interval")).to_contain_text("held-out rows")
    page.reload()
    expect(drawn(page).locator("html")).to_have_attribute("lang", "en")
    missing = page.evaluate(
        """async () => {
            const { english } = await import("/static/page/english.js");
            const { chinese, page } = await import("/static/page/chinese.js");
            const written = [...document.querySelectorAll("[data-say]")].map((e) => e.dataset.say);
            return [
                Object.keys(english).filter((key) => !(key in chinese)),
                Object.keys(chinese).filter((key) => !(key in english)),
                written.filter((key) => !(key in page)),
                Object.keys(page).filter((key) => !written.includes(key)),
            ];
        }"""
    )
    assert missing == [[], [], [], []]


def test_the_keyboard_reaches_everything_and_its_place_is_seen(page: Page) -> None:
    reached: list[str] = []
    while len(reached) < 40:
        page.keyboard.press("Tab")
        place = page.evaluate(FOCUSED)
        if place is None:
            break
        reached.append(place["name"])
        assert place["outlined"], place["name"]
    assert reached == [
        "language",
        *(f"{kind}-{name}" for name in row(page) for kind in ("input", "slider")),
        "example",
        "model",
        "report",
        "axis",
        "option",
        "csv",
        "Copy",
        "curl",
        "Copy",
        "python",
        "All requests and answers",
    ]


FOCUSED = """() => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const seen = [element, element.nextElementSibling, element.closest("label")].filter(Boolean);
    return {
        name: element.id || element.name || element.role || element.textContent,
        outlined: seen.some((each) => getComputedStyle(each).outlineStyle === "solid"),
    };
}"""


@pytest.mark.parametrize(("language", "scheme"), LOOKS)
def test_axe_finds_nothing_and_nothing_moves_by_itself_at_a_desk_and_on_a_phone(
    visit: Visits, server: Server, language: str, scheme: str
) -> None:
    page = drawn(visit(server.url, language=language, scheme=scheme))
    page.locator("#example").select_option(label="Smacks")
    expect(page.locator("#measured")).to_be_visible()
    expect(drop(page, "sugar,fiber,protein\n1,x,3\n").locator("li")).to_have_count(1)
    assert page.evaluate(MOVING) == 0  # so there is nothing to take away for less motion
    for width, height in (DESK, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        expect(page.locator("#chart canvas")).to_be_visible()
        await_(lambda: bool(page.evaluate(FITTING)), "nothing reaches beyond the page's edge")
        assert_accessible(page)


FITTING = "document.documentElement.scrollWidth === innerWidth"


def assert_accessible(page: Page) -> None:
    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = Axe().run(page, options={"runOnly": levels})
    assert found.violations_count == 0, found.generate_report()


MOVING = """[...document.querySelectorAll("*")].map(getComputedStyle).filter(
    (each) => each.transitionDuration !== "0s" || each.animationName !== "none"
).length"""


# Trouble.


def test_an_old_answer_never_comes_after_a_new_one(visit: Visits, server: Server) -> None:
    page = drawn(visit(server.url))
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    page.route("**/predict*", hold_the_first)
    fill(page, sugar=1)
    await_(lambda: settled(page) and bool(held), "the question for 1 g is under way")
    fill(page, sugar=14)
    expect_prediction(page, server, {"sugar": 14, "fiber": 1.75, "protein": 2.5})
    held[0].abort()  # it was given up, and its answer is nobody's any more
    expect_prediction(page, server, {"sugar": 14, "fiber": 1.75, "protein": 2.5})


def settled(page: Page) -> bool:
    """Let the page's own events come in; Playwright hands them on only while it is asked."""
    page.evaluate("0")
    return True


def put(registry: Registry, shipped: Registry, *without: str) -> None:
    """Publish `calories` once more, without some of its files."""
    with staging(registry, "calories") as draft:
        shutil.copytree(shipped.folder("calories", 1), draft, dirs_exist_ok=True)
        for name in without:
            (draft / name).unlink()
        publish(registry, draft, shipped.manifest("calories", 1), promote=True)


def test_a_service_without_a_model_with_another_or_that_is_down_is_told_and_asked_again(
    visit: Visits, registry: Registry, shipped: Registry, tmp_path: Path
) -> None:
    port = free_port()
    settings: dict[str, Any] = {"workers": 1, "registry": registry.root, "port": port}
    with running(tmp_path, probe="healthz", **settings) as server:
        page = visit(server.url)
        banner = page.get_by_role("alert")
        expect(banner).to_contain_text("No model is loaded")
        put(registry, shipped)
        expect(drawn(page).get_by_role("alert")).to_be_hidden()
        put(registry, shipped, ROWS, REPORT)
        await_(lambda: server.predict().json()["version"] == 2, "version 2 answers")
        fill(page, sugar=4)
        expect(page.locator("#version")).to_have_text("calories, version 2")
        expect(page.locator("#report")).to_be_hidden()
        expect(page.locator("#examples")).to_be_hidden()
        expect(page.locator(".dot")).to_have_count(0)
        server.stop()
    fill(page, sugar=3)
    expect(banner).to_contain_text("The service does not answer")
    expect(banner.get_by_role("button", name="Ask now")).to_be_visible()
    with running(tmp_path, **settings) as server:
        expect(banner).to_be_hidden()
        expect_prediction(page, server, {"sugar": 3, "fiber": 1.75, "protein": 2.5})


def test_a_key_is_asked_for_kept_and_never_shown(visit: Visits, closed: Server) -> None:
    page = visit(closed.url)
    banner = page.get_by_role("alert")
    expect(banner).to_contain_text("This service asks for a key.")
    banner.get_by_label("Key").fill("calories_wrong")
    banner.get_by_label("Key").press("Enter")
    expect(banner).to_contain_text("The service refused this key.")
    expect(banner.get_by_label("Key")).to_be_focused()
    assert_accessible(page)
    banner.get_by_label("Key").fill(KEY)
    banner.get_by_role("button", name="Use it").click()
    expect(banner).to_be_hidden()
    drawn(page)
    expect(page.locator("#model")).to_have_value("deep")
    expect(page.locator("#curl")).to_contain_text('-H "x-api-key: $API_KEY"')
    assert KEY not in page.content()
    page.reload()
    expect(drawn(page).get_by_role("alert")).to_be_hidden()
    page.get_by_role("link", name="All requests and answers").click()
    expect(page.get_by_text("/v2/repository/index")).to_be_visible()


def test_a_busy_service_is_told_and_asked_again(visit: Visits, closed: Server) -> None:
    page = visit(closed.url)
    page.get_by_role("alert").get_by_label("Key").fill(BUSY)
    page.get_by_role("button", name="Use it").click()
    drawn(page)

    banner = page.get_by_role("alert")

    def busy() -> bool:
        """Whether a slider was moved when the key had used up its requests."""
        while requests.get(f"{closed.url}/models", headers=headers, timeout=PATIENCE).ok:
            pass
        fill(page, sugar=next(grams))
        return banner.is_visible()

    grams, headers = cycle((3, 4)), {"x-api-key": BUSY}
    await_(busy, "the page is told that the service is busy")
    expect(banner).to_contain_text("The service is busy")
    expect(banner).to_be_hidden()


def test_what_could_not_be_answered_is_asked_again_when_the_service_wants(
    visit: Visits, server: Server
) -> None:
    page = visit("about:blank")
    broken = {"status": 500, "json": {"detail": "The service failed."}}
    page.route("**/models", lambda route: route.fulfill(**broken), times=1)
    page.goto(server.url)
    banner = page.get_by_role("alert")
    expect(drawn(page).get_by_role("alert")).to_be_hidden()
    busy = {"status": 503, "headers": {"retry-after": "1"}}
    page.route("**/predict*", lambda route: route.fulfill(**busy), times=1)
    fill(page, sugar=3)
    expect(banner).to_contain_text("The service is busy")
    expect(banner).to_be_hidden()
    expect_prediction(page, server, {"sugar": 3, "fiber": 1.75, "protein": 2.5})


# How it is served.


def test_the_page_works_below_a_proxys_prefix(
    visit: Visits, server: Server, tmp_path: Path
) -> None:
    with proxied(server, tmp_path) as url:
        page = drawn(visit(url))
        expect_prediction(page, server, row(page))
        expect(page.locator("#curl")).to_contain_text(f"{url}predict")
        page.get_by_role("link", name="All requests and answers").click()
        operation = page.locator("#operations-native-predict")
        operation.get_by_role("button", name="POST /predict").first.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.get_by_role("button", name="Execute").click()
        expect(operation.locator(".request-url")).to_contain_text(f"{url}predict")


@contextmanager
def proxied(server: Server, home: Path) -> Iterator[str]:
    """nginx with the service below /cereals/."""
    port = free_port()
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{each}_temp_path {home}; " for each in temporary)
    location = f"location /cereals/ {{ proxy_pass {server.url}/; }}"
    site = f"server {{ listen 127.0.0.1:{port}; {location} }}"
    http = f"http {{ access_log off; {paths}{site} }}"
    settings = f"daemon off; user {getuser()}; pid {home}/pid; error_log stderr; events {{}}"
    (home / "nginx.conf").write_text(f"{settings} {http}")
    url = f"http://127.0.0.1:{port}/cereals/"
    with started([need("nginx"), "-c", home / "nginx.conf"]):
        await_(lambda: answers(url), "nginx answers")
        yield url


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_visit_loads_less_than_250_kilobytes(page: Page, server: Server) -> None:
    loaded: list[dict[str, Any]] = page.evaluate(
        """performance.getEntries()
            .filter((each) => ["navigation", "resource"].includes(each.entryType))
            .map((each) => ({ url: each.name, bytes: each.decodedBodySize }))"""
    )
    assert all(each["url"].startswith(server.url) for each in loaded)
    files = {each["url"].partition("?")[0] for each in loaded if "/static/" in each["url"]}
    assert len(files) > 15
    assert sum(each["bytes"] for each in loaded) < 250_000
