"""Strategies for manifests: right ones, and what somebody else may write into a registry."""

import copy
import json
import re
from collections.abc import Callable
from functools import cache, partial, reduce
from operator import getitem
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.values import ANY, HARD, NESTED, TEXTS, Bytes, array, damaged, mostly, one_of, words

Tree = dict[str, Any]
MARK = "\x01"  # in the tree where bytes will be that are no JSON of Python's


def manifests(card: Tree) -> Bytes:
    """A manifest, changed in one place or a few, in one of the worst ways, or damaged as bytes."""
    known = st.sampled_from(sorted(WORST)).map(lambda name: WORST[name](copy.deepcopy(card)))
    right = written(card)
    return mostly(changed(right), known, damaged(st.just(right)), st.just(right))


def written(card: Any, raw: bytes = b"") -> bytes:
    """The text of a manifest, with these bytes in the place of the mark."""
    return json.dumps(card, indent=1).encode().replace(json.dumps(MARK).encode(), raw)


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|-?\d[\d.eE+-]*|true|false|null')
DECODER = json.JSONDecoder()


@cache
def places(text: str) -> list[tuple[int, int]]:
    """From where to where each name and each value of a text of JSON stands."""
    starts = (token.start() for token in TOKEN.finditer(text))
    return [(start, DECODER.raw_decode(text, start)[1]) for start in starts]


@st.composite
def changed(draw: st.DrawFn, text: bytes) -> bytes:
    """The manifest with something else for a name or a value, or for up to three of them."""
    some = st.lists(st.sampled_from(places(text.decode("ascii"))), min_size=1, max_size=3)
    behind = len(text)
    for start, end in sorted(draw(some), reverse=True):
        if end <= behind:
            text = text[:start] + draw(others(text[start:end])) + text[end:]
            behind = start
    return text


def others(value: bytes) -> Bytes:
    """JSON, more or less, that could come where `value` was; often what is near it."""
    told = words(
        'null true "" [] {}',
        *(b'"%b"' % value, b'{"a":%b}' % value, *(array([value] * many) for many in (1, 33, 300))),
    )
    near = NAMES
    if value[:1] in b"-0123456789":
        number = float(value)
        told += [b"-" + value, value + b"e3", value + b"e30", value + b".5", b"1" + b"0" * 400]
        by, more = st.floats(0.9, 1.1), st.integers(0, 9)
        near = by.map(lambda times: b"%r" % (number * times))
        near |= more.map(lambda more: b"%d" % (int(number) + more))
    return mostly(near, st.sampled_from(told) | HARD | TEXTS | TIMES | NESTED | ANY)


NAMES = st.text(max_size=9).map(lambda text: json.dumps(text).encode()) | one_of(
    """"0.5" "1.5" "nan" "1e400" "0_5" "-0" "median" "../x" "manifest.json" "calories" "features"
    "__proto__" "糖" "\u202e" " 0.5" "a\\nb" "\ufeff" "\u0660.\u0665" """
)
TIMES = st.datetimes().map(lambda time: json.dumps(time.isoformat()).encode()) | one_of(
    """"0001-01-01T00:00:00Z" "0001-01-01T00:00:00+14:00" "9999-12-31T23:59:59-23:59" "2026-11-25"
    "2026-11-25T00:00:00" "1e308" "-62135596800" "now" """
)


def put(*place: str | int, as_: object) -> Callable[[Tree], bytes]:
    """The manifest with something else in one place; bytes are what the text has there."""

    def made(card: Tree) -> bytes:
        *above, last = place
        raw = as_ if isinstance(as_, bytes) else b""
        reduce(getitem, above, card)[last] = MARK if raw else as_  # type: ignore[arg-type,index]
        return written(card, raw)

    return made


def without(name: str, card: Tree) -> bytes:
    """The manifest without one of its parts."""
    return written({key: value for key, value in card.items() if key != name})


def inputs(change: Callable[[list[Tree]], list[Tree]]) -> Callable[[Tree], bytes]:
    """The manifest with other inputs, made from its own."""
    return lambda card: written({**card, "inputs": change(card["inputs"])})


FIRST = ("inputs", 0)
QUANTILES = (*FIRST, "quantiles")
PARTS = ("model", "version", "architecture", "inputs", "interval", "data", "evaluation", "files")

# Each was, or could have been, more than the trouble of its own model.
WORST: dict[str, Callable[[Tree], bytes]] = {
    "a quantile whose level is no number": put(*QUANTILES, as_={"median": 7}),
    "a quantile beyond 1": put(*QUANTILES, as_={"1.5": 7}),
    "a quantile with digits of another script": put(*QUANTILES, as_={"\u0660.\u0665": 7}),
    "a level twice": put(*QUANTILES, as_={"0.5": 7, "0.50": 8}),
    "quantiles that fall": put(*QUANTILES, as_={"0.5": 7, "0.75": 6}),
    "quantiles out of the range": put(*QUANTILES, as_={"0.5": 1e9}),
    "no quantiles": put(*QUANTILES, as_={}),
    "300,000 quantiles": put(*QUANTILES, as_={f"0.{n}": 7 for n in range(300_000)}),
    "33 quantiles": put(*QUANTILES, as_={f"0.{n}": 7 for n in range(10, 43)}),
    "min over max": put(*FIRST, "min", as_=16),
    "a mean out of the range": put(*FIRST, "mean", as_=-1),
    "NaN": put(*FIRST, "mean", as_=b"NaN"),
    "infinity": put(*FIRST, "max", as_=b"Infinity"),
    "a number that is infinite": put(*FIRST, "max", as_=b"1e999"),
    "a number beyond float32": put(*FIRST, "max", as_=1e39),
    "the largest float32": put(*FIRST, "max", as_=3.4028234663852886e38),
    "a huge whole number": put(*FIRST, "min", as_=10**400),
    "10**400 rows": put("data", "rows", as_=10**400),
    "fewer rows than none": put("data", "rows", as_=-1),
    "5,000 digits": put("data", "rows", as_=b"9" * 5000),
    "a whole number that is none": put("data", "rows", as_=b"76.5"),
    "the year 1": put("created", as_="0001-01-01T00:00:00+14:00"),
    "the year 9999": put("created", as_="9999-12-31T23:59:59-23:59"),
    "no time zone": put("created", as_="2026-11-25T00:00:00"),
    "a time that is a number": put("created", as_=1e300),
    "an input twice": inputs(lambda known: [known[0], known[0], *known[2:]]),
    "an input less than the model takes": inputs(lambda known: known[:1]),
    "an input more than the model takes": inputs(
        lambda known: [*known, {**known[0], "name": "fat"}]
    ),
    "no inputs": put("inputs", as_=[]),
    "1,000 inputs": inputs(lambda known: [{**known[0], "name": f"x{n}"} for n in range(1000)]),
    "an input with a name of the answer": put(*FIRST, "name", as_="calories"),
    "an input with a line break": put(*FIRST, "name", as_="sugar\n# HELP x"),
    "an input with a quote": put(*FIRST, "name", as_='sugar"} 1\n'),
    "an input with a long name": put(*FIRST, "name", as_="a" * 100_000),
    "an input without a name": put(*FIRST, "name", as_=""),
    "an input in Chinese": put(*FIRST, "name", as_="糖"),
    "half a character": put(*FIRST, "name", as_=b'"\\ud800"'),
    "a NUL": put("data", "source", as_="a\0b"),
    "a control character": put("output", "unit", as_="kcal\x1b[2J"),
    "a certain interval": put("interval", "coverage", as_=1),
    "an infinite interval": put("interval", "half_width", as_=b"1e400"),
    "an infinite error": put("evaluation", "model", "r2", as_=b"-Infinity"),
    "a file elsewhere": put("files", as_={"../../../../etc/passwd": "0" * 64}),
    "100,000 files": put("files", as_={f"a{n}": "0" * 64 for n in range(100_000)}),
    "nothing but brackets": lambda _: b"[" * 200_000,
    "objects in objects": lambda _: b'{"inputs":' * 20_000,
    "lists in a recipe": put("architecture", "recipe", as_=b'{"a":' + b"[" * 900 + b"]" * 900),
    "100,000 layers": put("architecture", "hidden", as_=["x"] * 100_000),
    "a field twice": put("version", as_=b'1,"version":2'),
    "a part twice": put("data", as_=b'1,"data":{}'),
    "an unknown field": lambda card: written({**card, "colour": "red"}),
    "another schema": put("schema_version", as_=3),
    "another's name": put("model", as_="calories"),
    "another version": put("version", as_=999_999_999),
    "a name that is a path": put("model", as_="../calories"),
    "nothing": lambda _: b"",
    "null": lambda _: b"null",
    "a list": lambda card: b"[" + written(card) + b"]",
    "UTF-16": lambda card: written(card).decode().encode("utf-16"),
    "a byte order mark": lambda card: b"\xef\xbb\xbf" + written(card),
    "Latin-1": lambda card: written(card) + b"\xff",
    "20 MB of spaces": lambda card: written(card) + b" " * 20_000_000,
    **{f"no {name}": partial(without, name) for name in PARTS},
}
