"""W3C Trace Context."""

import pytest

from service.exchange import Request
from service.observe.trace_context import TraceContext, trace_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"01-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-bring", True),
    ],
)
def test_a_valid_traceparent_says_the_trace_the_span_and_whether_it_is_recorded(
    header: str, sampled: bool
) -> None:
    assert trace_context(Request("GET", "/", headers={"traceparent": header})) == TraceContext(
        TRACE, SPAN, sampled
    )


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"01-{TRACE}-{SPAN}-01.more",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
    ],
)
def test_an_invalid_traceparent_is_none(header: str) -> None:
    assert trace_context(Request("GET", "/", headers={"traceparent": header})) is None


def test_without_a_traceparent_there_is_none() -> None:
    assert trace_context(Request("GET", "/")) is None
