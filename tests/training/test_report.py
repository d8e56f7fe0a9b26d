"""The report: its pictures show the trained model, its page stands alone."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html import escape
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import LARGEST, REPORT, Input, Output
from tests.training.conftest import skip_fits
from training.architectures import ARCHITECTURES
from training.dataset import Dataset
from training.learners import BOOSTING
from training.publish import describe
from training.report import Content, content_of, write
from training.report.chart import Chart
from training.report.content import SHOWN
from training.report.diagram import network, unit
from training.report.measured import worst
from training.report.page import render
from training.report.rectifier import forward, telling_unit
from training.report.sections import sections
from training.report.svg import MINUS, Picture, figure, signed
from training.train import Config, train, train_on

BENDS = "How the model bends the"
ALWAYS = ["Learning", "Predicted and measured", "Calibration", "Comparison"]
UNITS = re.compile(r"\((g a serving|kcal a serving|no unit|%)\)|training step")
Make = Callable[..., Content]


@pytest.fixture(scope="module")
def make() -> Make:
    """The content of a training in which nothing is fitted; the same one is made once."""

    @cache
    def make(name: str, **changes: object) -> Content:
        architecture = replace(ARCHITECTURES[name], **changes)  # type: ignore[arg-type]
        with pytest.MonkeyPatch.context() as patch:
            skip_fits(patch)
            trained = train(Config(architecture=architecture))
            return content_of(trained, describe(trained, architecture.model))

    return make


def pictures(content: Content) -> list[Picture]:
    return [figure.picture for section in sections(content) for figure in section.figures]


def texts(picture: Picture, tag: str = "text") -> list[str]:
    return [each.text or "" for each in picture.root.iter(tag)]


def page(content: Content) -> str:
    return render(content, sections(content))


def test_the_diagrams_carry_every_weight_and_bias_as_a_number(make: Make) -> None:
    for name, draw in (("linear", unit), ("deep", network)):
        content = make(name)
        shown = texts(draw(content))
        for kernel, bias in content.networks[0]:
            assert {signed(weight) for weight in kernel.ravel()} <= set(shown)
            assert all(any(signed(b) in text for text in shown) for b in bias)


def test_every_line_of_a_wide_network_tells_its_weight(make: Make) -> None:
    content = make("ensemble", hidden=(16, 16))
    tips = [text for text in texts(network(content), "title") if " to " in text]
    kernel = content.networks[0][0][0]
    assert f"sugar to layer 1, unit 1: {signed(kernel[0, 0])}" in tips
    assert len(tips) == 48 + 90 + 16, "of 256 weights between the hidden layers, the strongest"


def test_names_that_do_not_fit_beside_each_other_stand_on_end(make: Make) -> None:
    many = ("sugar", "fiber", "protein", "fat", "sodium", "carbo", "potass", "vitamins")
    names = network(make("deep", inputs=many)).root.iter("text")
    upright = [name.text for name in names if "rotate" in name.get("transform", "")]
    assert upright == list(many)


def test_the_networks_of_the_pictures_answer_as_the_model(make: Make) -> None:
    content = make("ensemble")
    rows = content.data.rows
    answers = np.mean([forward(member, rows)[-1][:, 0] for member in content.networks], axis=0)
    assert answers == pytest.approx(content.predict(rows), abs=1e-3)


def test_the_unit_that_is_shown_is_on_for_some_rows_and_off_for_others(make: Make) -> None:
    content = make("deep")
    on = telling_unit(content).sums(content.data.rows) > 0
    assert 0.1 < on.mean() < 0.9


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_axis_has_a_label_with_its_unit(make: Make, name: str) -> None:
    content = make(name)
    charts = [picture for picture in pictures(content) if isinstance(picture, Chart)]
    labels = [axis.label for chart in charts for axis in (chart.x, chart.y) if not axis.names]
    assert len(labels) >= 9
    assert all(UNITS.search(label) for label in labels)
    assert all({chart.x.label, chart.y.label} - {""} <= set(texts(chart)) for chart in charts)


@pytest.mark.parametrize(
    ("name", "changes", "titles"),
    [
        ("linear-unit", {}, ["The linear unit", "The line"]),
        ("linear", {}, ["The linear unit", "The plane"]),
        ("ensemble", {}, ["The network", "The ReLU", f"{BENDS} plane"]),
        ("deep", {"inputs": ("sugar",)}, ["The network", "The ReLU", f"{BENDS} line"]),
        ("deep", {"activation": "tanh"}, ["The network", f"{BENDS} plane"]),
    ],
)
def test_an_architecture_gets_the_sections_that_make_sense_for_it(
    make: Make, name: str, changes: dict[str, object], titles: list[str]
) -> None:
    content = make(name, **changes)
    shown = [section.title for section in sections(content)]
    assert shown == ["What it is for", *titles, *ALWAYS]


def test_the_largest_errors_are_named(make: Make) -> None:
    content = make("linear-unit")
    error = np.abs(content.predicted - content.truth)
    places = worst(content)
    assert sorted(error)[-5:] == sorted(error[places])
    for number, place in enumerate(places, 1):
        name = escape(content.data.names[place].replace("_", " "))
        assert f"{number}. {name}" in page(content)


def measured(content: Content, **changes: object) -> Content:
    """The same with another evaluation, interval or output in its manifest."""
    return replace(content, manifest=content.manifest.model_copy(update=changes))


def test_the_report_says_who_wins_and_by_how_much(make: Make) -> None:
    content = make("linear")
    evaluation = content.manifest.evaluation
    assert evaluation
    [ours] = [line for line in content.comparison if line.lead is None]

    def said(error: float, lead: tuple[float, float]) -> str:
        line = ours.model_copy(
            update={"name": BOOSTING, "mean_absolute_error": error, "lead": lead}
        )
        beside = ours.model_copy(update={"mean_absolute_error": 8.0})
        found = evaluation.model_copy(update={"comparison": (line, beside)})
        return page(measured(content, evaluation=found))

    won = "Linear wins, off by 8.00 kcal a serving on average: 2.00 (20%) less than gradient"
    lost = (
        "Gradient boosting wins; linear is off by 8.00 kcal a serving on average: 2.00 (33%) more"
    )
    assert won in said(10, (-3, -1))
    assert lost in said(6, (1, 3))
    assert "which may be chance" in said(6, (-1, 3))
    assert "which may be chance" not in said(6, (1, 3))


def test_the_card_is_in_the_report(make: Make) -> None:
    content = make("deep")
    html = page(content)
    manifest, evaluation = content.manifest, content.manifest.evaluation
    assert manifest.data
    assert evaluation
    assert evaluation.apart
    assert evaluation.noise
    assert evaluation.coverage
    for said in (
        escape(manifest.intended_use),
        escape(manifest.not_for),
        "1993",
        escape(evaluation.folds),
        figure(evaluation.apart.model.mean_absolute_error),
        "34 rows share all inputs with another",
        f"{figure(evaluation.noise.mean_absolute_error)} kcal",
        *(f"{part.coverage:.0%}" for part in evaluation.coverage.by_input["sugar"]),
    ):
        assert said in html


# Any table


def of_table(inputs: int, hidden: tuple[int, ...] = (8, 4)) -> Content:
    """Of a table of metres and kUSD, in which nothing is fitted."""
    rng = np.random.default_rng(inputs)
    rows = rng.normal(0, 10.0 ** rng.integers(-2, 5, inputs), (90, inputs))
    rows[:20] = rows[20:40]
    data = Dataset(
        source="houses.csv",
        sha256="0" * 64,
        columns=tuple(Input(name=f"length_{number}", unit="m") for number in range(inputs)),
        output=Output(name="price", unit="kUSD"),
        names=tuple(f"row {number}" for number in range(90)),
        rows=rows,
        target=-2e5 + 1e4 * rng.normal(size=90),
    )
    architecture = replace(ARCHITECTURES["deep"], inputs=data.inputs, hidden=hidden)
    with pytest.MonkeyPatch.context() as patch:
        skip_fits(patch)
        trained = train_on(data, architecture, Config())
        return content_of(trained, describe(trained, "houses"))


@pytest.mark.parametrize("inputs", [1, 3, 13, 60])
def test_any_table_gets_a_small_report_of_its_own_names_and_units(
    inputs: int, tmp_path: Path
) -> None:
    for hidden in ((), (8, 4)):
        content = of_table(inputs, hidden)
        html = page(content)
        assert not re.search(r"kcal|calor|sugar|cereal|\bg\b|\bgrams?\b", html.lower())
        assert "nan" not in re.sub(r"<[^>]*>", " ", html).split()
        assert html.count("price against") >= min(inputs, 12)
        assert len(html) < 400_000


def test_a_version_without_an_interval_has_none_in_its_report() -> None:
    content = measured(of_table(3), interval=None)
    html = page(replace(content, calibration=()))
    assert "nterval</text>" not in html.replace("95% interval</text>", "")
    assert "±" not in html
    assert [each.title for each in sections(replace(content, calibration=()))][-1] == "Comparison"


def test_a_version_that_was_made_elsewhere_gets_what_is_known_of_it() -> None:
    content = of_table(3)
    manifest = content.manifest.model_copy(
        update={"architecture": None, "interval": None, "evaluation": None}
    )
    bare = Content(manifest, content.data, content.predict)
    assert [section.title for section in sections(bare)] == [f"{BENDS} plane"]
    assert "a model made elsewhere" in page(bare)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_report_is_small_well_formed_and_stands_alone(
    make: Make, name: str, tmp_path: Path
) -> None:
    write(make(name), tmp_path)
    html = (tmp_path / REPORT).read_text()
    assert len(html) < 400_000
    assert not re.search(r"https?:|\b(src|href)=|@import|url\(|<script", html)
    assert "prefers-color-scheme: dark" in html
    body = ET.fromstring(  # noqa: S314  what was written a line above
        html[html.index("<main>") : html.index("</body>")]
    )
    ids = [each.get("id") for each in body.iter() if each.get("id")]
    assert len(ids) == len(set(ids))
    files = sorted((tmp_path / "report").glob("*.svg"))
    assert len(files) == len(list(body.iter("svg")))
    for file in files:
        assert ET.parse(file).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314
    for picture in pictures(make(name)):  # each says what it shows
        named = (picture.root.get("aria-labelledby") or "").split()
        told = {each.get("id"): each.text for each in picture.root}
        assert all(told[name] for name in named)


def test_the_same_training_gives_the_same_report(make: Make, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write(make("deep"), tmp_path / folder)
    one, two = (sorted((tmp_path / folder / "report").iterdir()) for folder in ("one", "two"))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]


def test_a_name_in_the_data_is_text_and_never_markup(make: Make) -> None:
    content = make("linear-unit")
    names = ("<b>Bran & Co</b>",) * len(content.data)
    html = page(replace(content, data=replace(content.data, names=names)))
    assert "<b>" not in html
    assert "&lt;b&gt;Bran &amp; Co&lt;/b&gt;" in html


def test_of_very_many_rows_some_are_drawn_and_the_page_says_so(make: Make) -> None:
    content = make("deep")
    data = content.data
    many = replace(
        content,
        data=replace(
            data,
            names=data.names * 100,
            rows=np.tile(data.rows, (100, 1)),
            target=np.tile(data.target, 100),
        ),
        tested=np.arange(7600),
        predicted=np.tile(content.predicted, 100),
    )
    html = page(many)
    assert len(html) < 400_000
    assert f"7,600 rows of cereals. The pictures show {SHOWN} of them." in html


def test_a_network_that_always_answers_the_same_gets_its_report(make: Make) -> None:
    content = make("deep")
    still = [[(np.zeros_like(kernel), bias) for kernel, bias in content.networks[0]]]
    html = page(
        replace(
            content,
            networks=still,
            predict=lambda rows: np.full(len(rows), 100.0),
            predicted=np.full(len(content.data), 100.0),
        )
    )
    assert "nan" not in re.sub(r"<[^>]*>", "", html).split()
    assert not re.search(r'd="[^"]*nan', html)


@given(st.floats(-LARGEST, LARGEST))
def test_a_figure_has_the_digits_that_count(value: float) -> None:
    text = figure(value)
    assert float(text.replace(",", "").replace(MINUS, "-")) == pytest.approx(value, rel=0.006)
    assert len(text) <= 12
    assert signed(value) == (f"+{text}" if value > 0 else text)
