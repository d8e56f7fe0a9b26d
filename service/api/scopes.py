"""What a request asks for, by the operation that will answer it and never by its path's text."""

from collections.abc import Container

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from service.api.tfserving import operations as tfserving
from service.gate.access import OfOperation
from service.gate.wire import UNANSWERED, Environ

OPEN = frozenset(
    {
        *("health.healthz", "health.readyz", "health.version", "v2.live", "v2.ready"),
        *("pages.root", "pages.static", "docs.docs"),
    }
)


class Scopes:
    """Tells the scope of a request: what Flask's own match finds, or the fast path has."""

    def __init__(self, rules: Map, hot: Container[str]) -> None:
        self._rules = rules
        self._hot = hot

    def __call__(self, environ: Environ) -> OfOperation:
        """The scope of what answers. What answers nothing needs no key, and its body is not read.

        An operation that is not named here takes a predict key, so a new one is closed.
        """
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method == "POST" and path in self._hot:
            return "predict"
        try:
            endpoint, _ = self._rules.bind_to_environ(environ).match()
        except HTTPException:  # Flask finds the same and words it
            environ[UNANSWERED] = True
            return "open"
        if endpoint == "tfserving.v1" and not tfserving.answers(method, path):
            environ[UNANSWERED] = True
            return "open"
        if endpoint in OPEN:
            return "open"
        if endpoint == "metrics.scrape":
            return "either"
        return "admin" if endpoint.startswith("admin.") else "predict"
