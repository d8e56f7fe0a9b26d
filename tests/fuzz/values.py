"""Hypothesis strategies for JSON as bytes: right, nearly right, and wrong in every way."""

import gzip
import json
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Bytes = st.SearchStrategy[bytes]


def words(text: str, *others: bytes) -> list[bytes]:
    """The words of a text, and what is none."""
    return [*text.encode().split(), *others]


def one_of(text: str, *others: bytes) -> Bytes:
    """One of the words of a text, or of what is none."""
    return st.sampled_from(words(text, *others))


GRAMS = st.integers(0, 1000).map(lambda grams: b"%d" % grams)
HARD = one_of(
    """-0.0 0 1000 1000.0000001 1e3 5e-324 1e-400 3.4028235e39 NaN Infinity -Infinity 1e999 -1e999
    1.7976931348623157e308 -9223372036854775809 18446744073709551616 -1 007 +1 .5 1. 0x10 1_000 1e+
    true false null "5" "NaN" ٣ [] {} [5]""",
    *(b"", b"1" + b"0" * 400, b"9" * 4300, b"9" * 4301, b"0." + b"3" * 5000),
)
NUMBERS = GRAMS | HARD | st.floats().map(lambda number: repr(number).encode())
TEXTS = st.text(max_size=8).map(lambda text: json.dumps(text).encode()) | one_of(
    r'"\ud800" "\udc00\ud800" "\u0000" "\x" "open "é😀"',
    *(b'"\x00"', b'"\xff"', b'"\xed\xa0\x80"', b'"line\nline"', b'"' + b"a" * 100_000 + b'"'),
)
NESTED = st.builds(
    lambda depth, inner: b"[" * depth + inner + b"]" * depth,
    st.sampled_from([1, 2, 100, 1000, 1025, 50_000]),
    HARD,
) | st.sampled_from([1000, 20_000]).map(lambda depth: b'{"a":' * depth + b"1" + b"}" * depth)


def mostly(usual: st.SearchStrategy[T], *others: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The usual in three cases of four, else one of the others."""
    odd = st.one_of(*others)
    return st.integers(0, 3).flatmap(lambda which: usual if which else odd)


def array(items: Sequence[bytes]) -> bytes:
    """The JSON array of these texts."""
    return b"[" + b",".join(items) + b"]"


def arrays(items: Bytes, most: int = 4) -> Bytes:
    """Arrays of up to `most` items."""
    return st.lists(items, max_size=most).map(array)


def record(fields: Sequence[tuple[str, bytes]]) -> bytes:
    """The JSON object of these fields, whose names may come twice."""
    return b"{" + b",".join(json.dumps(name).encode() + b":" + text for name, text in fields) + b"}"


def objects(required: dict[str, Bytes]) -> Bytes:
    """Objects of these fields, now and then one less, one more or one twice."""
    right = st.tuples(*(st.tuples(st.just(name), text) for name, text in required.items()))
    names = st.sampled_from([*required, "sugr", "", "\ud800", "__proto__", "a" * 70_000])
    more = st.lists(st.tuples(names, ANY), min_size=1, max_size=2)
    return mostly(
        right.map(record),
        st.builds(lambda fields, others: record([*fields, *others]), right, more),
        st.builds(lambda fields, at: record(fields[:at] + fields[at + 1 :]), right, st.integers(0)),
    )


ANY = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: (
        arrays(inner) | st.lists(st.tuples(st.text(max_size=4), inner), max_size=3).map(record)
    ),
    max_leaves=6,
)


def damaged(bodies: Bytes) -> Bytes:
    """Bodies as they are, most of the time; else cut, with bytes put in, or coded otherwise."""
    at = st.integers(0, 400)
    junk = st.binary(max_size=4) | st.sampled_from([b"\xef\xbb\xbf", b"\x00", b"\xc0\xaf"])
    return mostly(
        bodies,
        st.builds(lambda body, to: body[:to], bodies, at),
        st.builds(lambda body, to, put: body[:to] + put + body[to:], bodies, at, junk),
        st.builds(lambda body, to, width: body[:to] + body[to + width :], bodies, at, at),
        bodies.map(lambda body: body.decode("latin-1").encode("utf-16")),
        bodies.map(lambda body: gzip.compress(body, mtime=0)),
        st.just(gzip.compress(b" " * 10_000_000, mtime=0)),
        bodies.map(lambda body: b"\xef\xbb\xbf" + body),
        bodies.map(lambda body: body * 2),
        *(NESTED, ANY, st.binary()),
    )
