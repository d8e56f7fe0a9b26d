"""Content negotiation (RFC 9110, section 12.5.1): which format an answer comes in."""

from collections.abc import Sequence

from models.numbers import decimal


def preferred(accept: str, offered: Sequence[str]) -> str | None:
    """The first of `offered` that an Accept header likes best, None when it likes none.

    An absent header likes everything; the most specific range that fits a type decides.
    """
    if not accept.strip():
        return offered[0]
    qualities = dict(map(_parsed, accept.lower().split(",")))

    def quality(media_type: str) -> float:
        ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
        return next((qualities[each] for each in ranges if each in qualities), 0.0)

    best = max(offered, key=quality)
    return best if quality(best) > 0 else None


def media_type(header: str) -> str:
    """A content type without its parameters."""
    return header.partition(";")[0].strip().lower()


def _parsed(part: str) -> tuple[str, float]:
    """A media range and its quality: 1 where none is told, 0 where it is no number from 0 to 1."""
    parameters = (each.partition("=") for each in part.split(";")[1:])
    told = next((value for name, _, value in parameters if name.strip() == "q"), "1")
    return media_type(part), decimal(told.strip(" \t"), 0, 1) or 0.0
