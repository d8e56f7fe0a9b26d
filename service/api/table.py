"""The table of all operations: which of them a method and a path mean. Nothing else looks at paths.

Flask's rules, who may ask, the labels of metrics and the OpenAPI document are made from its rows.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from service.exchange import Dialect, Operation

PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
KINDS = {"digits": "[0-9]+", "path": "(?s:.+)"}

Match = tuple[Operation, Mapping[str, str]]  # with the path's parameters


class SharedPath(NamedTuple):
    """The operations that share a path, by method."""

    pattern: re.Pattern[str]
    operations: dict[str, Operation]


class Table:
    """The rows, and `elsewhere`, the dialect of a path whose first segment no row has.

    `usual` names what the parameters of hot operations mostly are: those are found quicker.
    """

    def __init__(
        self, rows: Iterable[Operation], elsewhere: Dialect, usual: Mapping[str, str]
    ) -> None:
        self.operations: tuple[Operation, ...] = ()
        self._elsewhere = elsewhere
        self._dialects: dict[str, Dialect] = {}
        self.exact: dict[tuple[str, str], Match] = {}  # by method and path: what is found at once
        self._paths: dict[str, dict[str, SharedPath]] = {}
        for row in rows:
            self._add(row, usual)

    def _add(self, row: Operation, usual: Mapping[str, str]) -> None:
        operation = replace(row, path=PARAMETER.sub(r"{\1}", row.path))
        self.operations += (operation,)
        first = _first(row.path)
        self._dialects.setdefault(first, row.dialect)
        paths = self._paths.setdefault(first, {})
        shared = paths.setdefault(row.path, SharedPath(_pattern(row), {}))
        shared.operations[row.method] = operation
        if row.method == "GET":
            shared.operations["HEAD"] = operation
        named = {name for name, _ in PARAMETER.findall(row.path)}
        if not named or (row.hot and named <= usual.keys()):
            arguments = {name: usual[name] for name in named}
            path = operation.path.format(**arguments)
            self.exact[row.method, path] = (operation, arguments)

    def find(self, method: str, path: str) -> Match | None:
        """The operation that answers, with its arguments; None when no row does."""
        for match, operations in self._at(path):
            if method in operations:
                return operations[method], match.groupdict()
        return None

    def allowed(self, path: str) -> tuple[str, ...]:
        """The methods that a path has, for the header Allow; none when nothing is there."""
        methods = {method for _, operations in self._at(path) for method in operations}
        return tuple(sorted({*methods, "OPTIONS"})) if methods else ()

    def dialect(self, path: str) -> Dialect:
        """Who words what no row answers, by the path's first segment."""
        return self._dialects.get(_first(path), self._elsewhere)

    def _at(self, path: str) -> Iterator[tuple[re.Match[str], dict[str, Operation]]]:
        for pattern, operations in self._paths.get(_first(path), {}).values():
            match = pattern.fullmatch(path)
            if match:
                yield match, operations


def _first(path: str) -> str:
    """The first segment in lower case: /V1 is TensorFlow Serving's too."""
    return path[1:].partition("/")[0].lower()


def _pattern(row: Operation) -> re.Pattern[str]:
    """What matches the paths of a row's template."""
    segment, end = ("[^/:]+", "") if row.any_case else ("[^/]+", "/?")
    # Texts, and between them the names and the kinds of the parameters.
    parts = iter(PARAMETER.split(row.path))
    found = _text(next(parts), row)
    for name, kind, text in zip(parts, parts, parts, strict=True):
        found += f"(?P<{name}>{KINDS[kind] if kind else segment}){_text(text, row)}"
    return re.compile(found if found.endswith("/") else found + end)


def _text(text: str, row: Operation) -> str:
    """A verb behind a colon is in lower case always."""
    any_case = row.any_case and not text.startswith(":")
    return f"(?i:{re.escape(text)})" if any_case else re.escape(text)
