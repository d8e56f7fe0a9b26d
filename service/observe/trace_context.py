"""W3C Trace Context: which trace a request belongs to (https://www.w3.org/TR/trace-context/).

    traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
                 version-trace id-parent id-flags

It says what a request is part of and nothing about the answer, so it is not sent back; the
request id is.
"""

import re
from typing import NamedTuple

from service.exchange import Exchange, Request

WELL_FORMED = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1  # the lowest of the flags


class TraceContext(NamedTuple):
    """The trace, the caller's span in it (empty without a caller), and whether it is recorded."""

    trace_id: str
    parent_id: str
    sampled: bool


def trace_of(exchange: Exchange) -> TraceContext | None:
    """The trace that a request belongs to: its caller's, or one that began here; None for none."""
    found: TraceContext | None = exchange.trace or trace_context(exchange.request)
    return found


def trace_context(request: Request) -> TraceContext | None:
    """What the header `traceparent` says; None without a valid one.

    Valid as section 3.2 has it: lower-case hexadecimal digits, neither id all zeros, no version ff,
    and nothing after the flags in version 00; what a later version adds there is read over.
    """
    found = WELL_FORMED.fullmatch(request.header("traceparent"))
    if found is None:
        return None
    version, trace_id, parent_id, flags, further = found.groups()
    if version == "ff" or (version == "00" and further):
        return None
    if not (trace_id.strip("0") and parent_id.strip("0")):
        return None
    return TraceContext(trace_id, parent_id, bool(int(flags, 16) & SAMPLED))
