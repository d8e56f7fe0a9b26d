"""Requests drawn from the OpenAPI document, right ones and wrong ones, and held against it."""

from collections import Counter
from collections.abc import Sequence
from string import Formatter
from traceback import format_exception
from typing import Any

import requests
import schemathesis
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
from tests.fuzz import bodies
from tests.fuzz.connection import strict_json
from tests.fuzz.run import explore
from tests.servers import PATIENCE

HELD: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
Operation = APIOperation[Any, Any, Any, Any]
# What is served, so that requests get beyond their path.
KNOWN = {"model": "calories", "version": "1", "label": "stable", "name": "deep", "file": "docs.js"}
schemathesis.openapi.media_type(CSV, bodies.TABLES | st.binary(max_size=50))
schemathesis.openapi.media_type(ARROW, bodies.arrow() | st.binary(max_size=50))


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

    def fuzz(self, examples: int) -> None:
        """Ask every operation so many requests of each mode, the same ones each time.

        An operation without a body has less that can be wrong, and gets a fifth.
        """
        document = self._session.get(f"{self._urls[0]}/openapi.json", timeout=PATIENCE).json()
        for result in schemathesis.openapi.from_dict(document).get_all_operations():
            operation: Operation = result.ok()  # type: ignore[union-attr]  # the document is valid
            many = examples if operation.body else max(examples // 5, 1)
            for mode in GenerationMode:
                explore(drawn(operation, mode), self._ask, many)

    def _ask(self, case: Case[Any]) -> None:
        for url in self._urls:
            try:
                answer = case.call(base_url=url, session=self._session, timeout=PATIENCE)
                self.statuses.setdefault(case.operation.label, Counter())[answer.status_code] += 1
                self.slowest = max(self.slowest, answer.elapsed)
                case.validate_response(answer, checks=HELD)
                assert b"Traceback" not in answer.content
                if "json" in str(answer.headers.get("content-type")):
                    strict_json(answer.content)
            except (Exception, FailureGroup) as error:  # noqa: BLE001  each is a finding
                told = "".join(format_exception(error))[-3000:]
                self.failures.append(f"{case.operation.label}: {told}")


def drawn(operation: Operation, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests of an operation, half of them for a model and a version that are there."""
    any_path = operation.as_strategy(generation_mode=mode)
    names = [name for _, name, _, _ in Formatter().parse(operation.path) if name]
    if not names:
        return any_path
    known = {name: KNOWN[name] for name in names}
    return any_path | operation.as_strategy(generation_mode=mode, path_parameters=known)
