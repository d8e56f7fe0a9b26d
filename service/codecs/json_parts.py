"""JSON in parts: however long a body is, few of its values are Python objects at a time.

orjson takes 60 bytes for the number 5 and 400 for a row of three, so rows are not parsed all at
once: `loads` leaves a long array in the body as bytes, a LongArray, whose items are parsed a part
at a time. What is beside such arrays is parsed only if it weighs little.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Sized
from typing import Any, TypeVar

import orjson

from service.errors import Fault, InvalidInput, MalformedBody

PART = 64 * 1024  # bytes that are parsed at once; a shorter array is no long one
BESIDE = 256 * 1024  # bytes beside long arrays in which others are looked for
LONGEST = 2**20  # bytes that are parsed at once; a thousand tensors of V2 have a tenth of it

# The most bytes that orjson takes for a value, by the mark before it: its own, Python's, and what
# is copied when a list grows. Measured, and rounded up.
WEIGHTS = {b",": 66, b"[": 91, b"{": 91, b":": 72, b'"': 14}
LIGHT = 8 * 2**20  # bytes that what is parsed at once weighs at most

_SPACE = rb"[ \t\r\n]*+"
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_STRING_OR_ARRAY = re.compile(_STRING + rb"|\[" + _SPACE + rb"([\[{]?)", re.DOTALL)
_COLON = re.compile(_SPACE + b":" + _SPACE)
# By how the first item of an array begins: between two items, from the end of one, and the end.
# Right items are numbers, or flat lists and objects of them, and have no such mark inside.
_BETWEEN = {
    b"": re.compile(rb"(),"),
    b"[": re.compile(rb"(\])" + _SPACE + b"," + _SPACE + rb"(?=\[)"),
    b"{": re.compile(rb"(\})" + _SPACE + b"," + _SPACE + rb"(?=\{)"),
}
_END = {
    b"": re.compile(rb"\]"),
    b"[": re.compile(rb"\]" + _SPACE + rb"\]"),
    b"{": re.compile(rb"\}" + _SPACE + rb"\]"),
}
_MARK = os.urandom(8).hex()  # where a long array was, in what is beside it: nobody can send it


Read = TypeVar("Read", bound=Sized)


class LongArray:
    """The items of a long array, for who takes them a part at a time, as often as they like."""

    def __init__(self, body: bytes, start: int, end: int, kind: bytes) -> None:
        """Of the array at `body[start:end]`, which may turn out to be no JSON."""
        self._body, self._start, self._end = body, start, end
        self._kind = kind
        self._length = 0

    def __len__(self) -> int:
        """The number of its items, once they were looked through."""
        return self._length

    def look_through(self, most: int) -> None:
        """Raise MalformedBody when it is no JSON, InvalidInput for more than `most` rows."""
        for first, items in self.parts():
            self._length = first + len(items)
            if self._kind and self._length > most:
                raise InvalidInput([Fault("body", f"at most {most} rows", "more")])

    def texts(self) -> Iterator[bytes]:
        """JSON arrays that together have its items."""
        at, last = self._start + 1, self._end - 1
        while True:
            cut = _BETWEEN[self._kind].search(self._body, at + PART, last)
            text = b"[%b]" % self._body[at : cut.end(1) if cut else last]
            require_light(text)
            yield text
            if not cut:
                return
            at = cut.end()

    def parts(self) -> Iterator[tuple[int, list[Any]]]:
        """Lists of its items, each with the number of the first; raises MalformedBody."""
        first = 0
        for text in self.texts():
            try:
                items = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise _malformed(f"{error.msg} in the items from {first} on") from error
            yield first, items
            first += len(items)

    def each(self, read: Callable[[bytes, int], Read], most: int) -> list[Read]:
        """What `read` makes of each of its texts, told the number of the first item.

        It ends with the part in which there are more than `most` items.
        """
        first, found = 0, []
        for text in self.texts():
            found.append(read(text, first))
            first += len(found[-1])
            if first > most:
                break
        return found

    def beginning(self, length: int) -> str:
        """As many of its characters."""
        return self._body[self._start : self._start + length].decode(errors="replace")


def loads(body: bytes, most: int | None = None, keys: Collection[bytes] | None = None) -> Any:
    """A body as orjson parses it, but for its long arrays, which are LongArrays.

    With `keys` only those that are the value of such a key, in quotes. With `most` they are looked
    through, and may have as many rows; else that is left to who takes them. Raises MalformedBody,
    and InvalidInput also when what is beside them is much.
    """
    arrays: dict[str, LongArray] = {}
    beside, at = [], 0
    if len(body) > PART:
        for start, end, kind in _long_arrays(body, keys):
            name = f"{_MARK}{len(arrays)}"
            arrays[name] = LongArray(body, start, end, kind)
            beside += [body[at:start], b'"%b"' % name.encode()]
            at = end
    text = b"".join([*beside, body[at:]]) if arrays else body
    require_light(text)
    try:
        found = [orjson.loads(text)]
    except orjson.JSONDecodeError as error:
        raise _malformed(f"{error.msg} beside its long arrays" if arrays else str(error)) from error
    if arrays:
        _put_back(found, arrays)
    if most is not None:
        for array in arrays.values():
            array.look_through(most)
    return found[0]


def require_light(text: bytes) -> None:
    """Raise InvalidInput for JSON that is long or would be many of Python's objects."""
    if len(text) <= PART:
        return
    long = len(text) > LONGEST and len(text.strip()) > LONGEST
    if long or sum(each * text.count(mark) for mark, each in WEIGHTS.items()) > LIGHT:
        received = f"{len(text)} bytes of something else"
        raise InvalidInput([Fault("body", "rows of numbers", received)])


def _long_arrays(body: bytes, keys: Collection[bytes] | None) -> Iterator[tuple[int, int, bytes]]:
    """Where long arrays begin and end outside of strings, and how their first items begin."""
    ends = dict.fromkeys(_END, 0)
    at, others, key = 0, 0, b""
    while at - others < BESIDE and (found := _STRING_OR_ARRAY.search(body, at)):
        start, kind = found.start(), found[1]
        if kind is None:
            at = found.end()
            colon = _COLON.match(body, at)
            key = found[0] if colon else b""
            at = colon.end() if colon else at
            continue
        named, at = start == at and key, start + 1
        if keys is not None and named not in keys:
            continue
        if ends[kind] <= start:
            end = _END[kind].search(body, start)
            ends[kind] = end.end() if end else len(body) + 1
        if PART < ends[kind] - start <= len(body) - start:
            others += ends[kind] - start
            at = ends[kind]
            yield start, at, kind


def _malformed(why: str) -> MalformedBody:
    return MalformedBody(f"JSON Parse error: {why}.")


def _put_back(found: list[Any], arrays: dict[str, LongArray]) -> None:
    """Put the long arrays where their marks are."""
    waiting: list[Any] = [found]
    while waiting:
        container = waiting.pop()
        places = enumerate(container) if type(container) is list else container.items()
        for place, value in list(places):
            if type(value) is str and value in arrays:
                container[place] = arrays[value]
            elif type(value) in {list, dict}:
                waiting.append(value)
