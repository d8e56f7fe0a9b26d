"""Requests drawn from the OpenAPI document, right ones and wrong ones, and held against it.

    python -m tests.fuzz.schema http://127.0.0.1:8000 --examples 500

The service needs ADMIN_KEY_WAIVED=true and a registry of its own: labels are moved.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from string import Formatter
from traceback import format_exception
from typing import Any, NoReturn

import pyarrow as pa
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.codecs.formats import ARROW, CSV
from tests.servers import PATIENCE

HELD: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = APIOperation[Any, Any, Any, Any]
CELLS = (
    st.floats(-1, 1001).map(str)
    | st.sampled_from(["nan", "-inf", "1e999", ""])
    | st.text(max_size=5)
)


def _table(rows: list[list[str]]) -> bytes:
    lines = ["sugar,fiber,protein", *(",".join(row) for row in rows)]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _stream(columns: list[float], place: float, byte: int) -> bytes:
    """An Arrow stream with one byte changed."""
    batch = pa.record_batch(dict.fromkeys(("sugar", "fiber", "protein"), columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    body = bytearray(sink.getvalue().to_pybytes())
    body[int(place * len(body))] = byte
    return bytes(body)


# What is served, so that requests get beyond their path.
KNOWN = {"model": "calories", "version": "1", "label": "stable", "name": "deep", "file": "docs.js"}
PLACES = st.floats(0, 1, exclude_max=True)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=4).map(_table)
STREAMS = st.builds(_stream, st.lists(st.floats(0, 1000), max_size=4), PLACES, st.integers(0, 255))
schemathesis.openapi.media_type(CSV, TABLES | st.binary(max_size=50))
schemathesis.openapi.media_type(ARROW, STREAMS | st.binary(max_size=50))


class Fuzzer:
    """Asks every one of several servers the same, and notes what is not as the document says."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = urls
        self._session = requests.Session()
        self.statuses: dict[str, Counter[int]] = {}  # by operation
        self.slowest = 0.0  # seconds until an answer's head was there
        self.failures: list[str] = []

    @property
    def requests(self) -> int:
        """How many requests there were."""
        return sum(counter.total() for counter in self.statuses.values())

    def fuzz(self, examples: int, at: int = 0) -> None:
        """Ask every operation so many requests of each mode, the same ones for the same `at`.

        An operation without a body has less that can be wrong, and gets a fifth.
        """
        document = self._session.get(f"{self._urls[0]}/openapi.json", timeout=PATIENCE).json()
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            operation: Operation = result.ok()  # type: ignore[union-attr]  # the document is valid
            many = examples if operation.body else max(examples // 5, 1)
            for mode in GenerationMode:
                try:
                    self._explore(operation, mode, many, at)
                except (Exception, FailureGroup) as error:  # noqa: BLE001  each is a finding
                    told = "".join(format_exception(error))[-3000:]
                    self.failures.append(f"{operation.label}, {mode.value}: {told}")

    def _explore(self, operation: Operation, mode: GenerationMode, many: int, at: int) -> None:
        @seed(at)
        @settings(
            max_examples=many,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn(operation, mode))
        def each(case: Case[Any]) -> None:
            for url in self._urls:
                self._ask(url, case)

        each()

    def _ask(self, url: str, case: Case[Any]) -> None:
        answer = case.call(base_url=url, session=self._session, timeout=PATIENCE)
        self.statuses.setdefault(case.operation.label, Counter())[answer.status_code] += 1
        self.slowest = max(self.slowest, answer.elapsed)
        case.validate_response(answer, checks=HELD)
        assert b"Traceback" not in answer.content
        if "json" in str(answer.headers.get("content-type")):
            json.loads(answer.content, parse_constant=_no_json)


def drawn(operation: Operation, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests of an operation, half of them for a model and a version that are there."""
    any_path = operation.as_strategy(generation_mode=mode)
    known = {name: KNOWN[name] for name in _names(operation.path)}
    if not known:
        return any_path
    return any_path | operation.as_strategy(generation_mode=mode, path_parameters=known)


def _names(path: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(path) if name]


def _no_json(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def main() -> int:
    """Fuzz running services; 1 when something was not as the document says."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.schema")
    parser.add_argument("urls", nargs="+", metavar="URL")
    parser.add_argument("--examples", type=int, default=200, help="of each operation and mode")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fuzzer = Fuzzer(options.urls)
    fuzzer.fuzz(options.examples, options.seed)
    statuses = sum(fuzzer.statuses.values(), Counter[int]())
    print(f"{fuzzer.requests} requests: {dict(sorted(statuses.items()))}")
    print(*fuzzer.failures, sep="\n\n")
    return 1 if fuzzer.failures else 0


if __name__ == "__main__":
    sys.exit(main())
