"""Retention: for how long the counts of a version that is served no more are kept.

Else every version that ever came would stay in each worker, its file and every scrape.
"""

from service.observe.metrics.families import FAMILIES, VERSION
from service.observe.metrics.tally import SeriesKey
from service.serving.loaded import Models

Version = tuple[str, ...]  # model and version

TOLD_SECONDS = 120.0  # the rarest that Prometheus should scrape, or its graphs have gaps


class Retention:
    """When this worker last served each version; times are of the monotonic clock.

    A counter that is summed over workers must not lose some of them before the rest: Prometheus
    would take the fall for a new beginning, and the rest for new requests. So a version is told
    for a while, then by none, and only when none tells it any more, each worker forgets it.
    """

    def __init__(self, began: float) -> None:
        self._began = began
        self._last: dict[Version, float] = {}

    def see(self, models: Models, now: float) -> None:
        """Note what is served at this time."""
        for model, served in models.items():
            for version in served.loaded:
                self._last[model, str(version)] = now
        self._last = {it: last for it, last in self._last.items() if not self._is_over(last, now)}

    def tells(self, key: SeriesKey, now: float) -> bool:
        """Whether a scrape has this series."""
        version = _version(key)
        last = now if version is None else self._last.get(version)
        return last is not None and now - last < TOLD_SECONDS

    def keeps(self, key: SeriesKey, now: float) -> bool:
        """Whether it goes on counting; what it has not seen is from the worker before it."""
        version = _version(key)
        return version is None or not self._is_over(self._last.get(version, self._began), now)

    @staticmethod
    def _is_over(last: float, now: float) -> bool:
        return now - last >= 2 * TOLD_SECONDS


def _version(key: SeriesKey) -> Version | None:
    """The version that a series is of, if it is of one."""
    family = FAMILIES.get(key.family)  # none when an earlier release counted it
    named = dict(zip(family.labels, key.labels, strict=False)) if family else {}
    found = tuple(named.get(label, "") for label in VERSION)
    return found if all(found) else None
