"""Requests drawn from the OpenAPI document, right ones and wrong ones, and held against it."""

import time
from collections import defaultdict
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
from tests.fuzz.run import Findings, explore
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


def fuzz(url: str, examples: int) -> tuple[Findings, dict[str, set[int]]]:
    """Ask every operation so many requests of each mode, the same ones each time.

    An operation without a body has less that can be wrong, and gets a fifth. Gives what they met,
    and the statuses of each operation.
    """
    found, statuses, session = Findings(), defaultdict[str, set[int]](set), requests.Session()

    def ask(case: Case[Any]) -> None:
        began = time.perf_counter()
        with found.going_on(case):
            answer = case.call(base_url=url, session=session, timeout=PATIENCE)
            found.note(answer.status_code, began)
            statuses[case.operation.label].add(answer.status_code)
            try:
                case.validate_response(answer, checks=HELD)
            except FailureGroup as group:
                raise AssertionError("".join(format_exception(group))) from group
            assert b"Traceback" not in answer.content
            if "json" in str(answer.headers.get("content-type")):
                strict_json(answer.content)

    document = session.get(f"{url}/openapi.json", timeout=PATIENCE).json()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation: Operation = result.ok()  # type: ignore[union-attr]  # the document is valid
        many = examples if operation.body else max(examples // 5, 1)
        for mode in GenerationMode:
            explore(drawn(operation, mode), ask, many)
    return found, statuses


def drawn(operation: Operation, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Requests of an operation, half of them for a model and a version that are there."""
    any_path = operation.as_strategy(generation_mode=mode)
    names = [name for _, name, _, _ in Formatter().parse(operation.path) if name]
    if not names:
        return any_path
    known = {name: KNOWN[name] for name in names}
    return any_path | operation.as_strategy(generation_mode=mode, path_parameters=known)
