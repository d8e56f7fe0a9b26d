"""Hypothesis strategies for JSON as bytes: right, nearly right, and wrong in every way."""

import gzip
import json
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
Bytes = st.SearchStrategy[bytes]

GRAMS = st.integers(0, 1000).map(lambda grams: b"%d" % grams)
HARD = st.sampled_from(
    [
        *(b"-0.0", b"0", b"1000", b"1000.0000001", b"1e3", b"5e-324", b"1e-400", b"3.4028235e39"),
        *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"1.7976931348623157e308"),
        *(
            b"1" + b"0" * 400,
            b"9" * 4300,
            b"9" * 4301,
            b"0." + b"3" * 5000,
            b"-9223372036854775809",
        ),
        *(b"18446744073709551616", b"-1", b"007", b"+1", b".5", b"1.", b"0x10", b"1_000", b"1e+"),
        *(b"true", b"false", b"null", b'"5"', b'"NaN"', "٣".encode(), b"[]", b"{}", b"[5]", b""),
    ]
)
NUMBERS = GRAMS | HARD | st.floats().map(lambda number: repr(number).encode())
TEXTS = st.text(max_size=8).map(lambda text: json.dumps(text).encode()) | st.sampled_from(
    [
        *(b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\x00"', b'"\xff"', b'"\xed\xa0\x80"'),
        *(b'"\\x"', b'"open', b'"' + b"a" * 100_000 + b'"', b'"line\nline"', '"é😀"'.encode()),
    ]
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


def objects(required: dict[str, Bytes], stray: st.SearchStrategy[str] | None = None) -> Bytes:
    """Objects of these fields, now and then one less, one more or one twice."""
    right = st.tuples(*(st.tuples(st.just(name), text) for name, text in required.items()))
    names = stray or st.sampled_from([*required, "sugr", "", "\ud800", "__proto__", "a" * 70_000])
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
    cut = st.builds(lambda body, to: body[:to], bodies, at)
    put = st.builds(
        lambda body, to, junk: body[:to] + junk + body[to:],
        bodies,
        at,
        st.binary(min_size=1, max_size=4)
        | st.sampled_from([b"\xef\xbb\xbf", b"\x00", b"\xc0\xaf"]),
    )
    lost = st.builds(lambda body, to, width: body[:to] + body[to + width :], bodies, at, at)
    coded = bodies.map(lambda body: body.decode("latin-1").encode("utf-16"))
    packed = bodies.map(lambda body: gzip.compress(body, mtime=0))
    bombs = st.just(gzip.compress(b" " * 10_000_000, mtime=0))
    surrounded = bodies.map(lambda body: b"\xef\xbb\xbf" + body) | bodies.map(lambda body: body * 2)
    return mostly(
        bodies, cut, put, lost, coded, packed, bombs, surrounded, NESTED, ANY, st.binary()
    )
