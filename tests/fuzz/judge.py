"""What every answer to bad input must be."""

from typing import Any

from tests.dialects import is_error, is_problem
from tests.fuzz.asked import Request
from tests.fuzz.connection import NOT_SPOKEN, Answer, strict_json

REFUSED = {400, 414, 431}


def judge(asked: Request, request_id: str, answer: Answer) -> None:
    """Assert that it is this request's answer, no failure, and worded in its dialect.

    A server that refuses a request itself knows neither its id nor its dialect, and closes.
    """
    if answer.closes and answer.status in REFUSED and "x-request-id" not in answer.headers:
        refused(answer)
        return
    assert answer.headers.get("x-request-id") == request_id, "another request's answer"
    assert answer.status < 500, answer
    content = read(answer)
    if answer.status >= 400 and answer.body:
        dialect = spoken(asked)
        assert dialect == "any" or formed(dialect, content, answer), (dialect, answer)


def refused(answer: Answer) -> None:
    """Assert that an answer to what may be no HTTP is no failure; it may be empty."""
    assert answer.status < 500 or answer.status in NOT_SPOKEN, answer
    content = read(answer)
    if answer.status >= 400 and answer.body:
        assert any(formed(dialect, content, answer) for dialect in ("native", "v1")), answer


def formed(dialect: str, content: Any, answer: Answer) -> bool:
    """Whether an error has the form of a dialect."""
    form = is_problem if dialect == "native" else is_error
    return form(content, answer.headers.get("content-type"), answer.status)


def read(answer: Answer) -> Any:
    """The content; what says that it is JSON is strict JSON, without NaN."""
    assert b"Traceback" not in answer.body, answer
    if "json" not in answer.headers.get("content-type", ""):
        return None
    return strict_json(answer.body or b"null")


def spoken(asked: Request) -> str:
    """The dialect whose errors a request gets, by its path; `any` where that is debatable."""
    path = asked.target.partition(b"?")[0]
    if asked.dialect == "any" or b"%" in path or b"//" in path or b".." in path:
        return "any"
    return {b"v1": "v1", b"v2": "v2"}.get(path.split(b"/")[1], "native")
