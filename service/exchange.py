"""One request and what came of it, as one object, from the server to the observers.

Data only. The server makes an Exchange from the head of a request, the gate lets it in or
refuses it, an operation answers it, and the observers are handed it when it is over.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from service.errors import ServiceError

Headers = tuple[tuple[str, str], ...]
Scope = Literal["open", "predict", "admin", "either"]


@dataclass(slots=True)
class Request:
    """What was asked. `path` is decoded once, where it is read; nothing decodes it again."""

    method: str
    path: str  # percent-decoded, then read as UTF-8; what is none becomes U+FFFD
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case, joined by ", "
    body: bytes = b""
    client: str = ""  # the address that it came from; empty over a Unix socket
    scheme: str = "http"
    version: str = "1.1"  # of HTTP

    def header(self, name: str) -> str:
        """A header by its name in lower case; empty when it was not sent."""
        return self.headers.get(name) or ""


@dataclass(slots=True)
class Response:
    """What is answered; the server adds Date, Connection, Content-Length and the request's id.

    304 goes without Content-Type and Content-Length; the answer to HEAD without its body.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Headers = ()


class Dialect(Protocol):
    """How one HTTP API words what is refused; `name` is what metrics and logs call it."""

    name: str

    def refuse(self, error: "ServiceError") -> Response:
        """A domain error in the dialect's form."""

    def unmatched(self, request: Request, allowed: Sequence[str]) -> Response:
        """No operation is at this path, or none for this method: there are only `allowed`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked over HTTP: a row of the table.

    `path` is a template, `/v2/models/{model}/infer`. A parameter is one segment of the path;
    `{version:digits}` is of digits, `{file:path}` the rest. `answer` gives the Response or raises a
    domain error. A hot one is answered in the event loop where its body is small, what is only for
    who watches the service in a thread of its own, all others by Flask.
    """

    name: str  # unlike any other's: the OpenAPI document's operationId
    method: str
    path: str
    answer: Callable[["Exchange"], Response]
    dialect: Dialect
    scope: Scope = "predict"
    hot: bool = False
    watching: bool = False  # /healthz, /readyz and /metrics, which answer under any load
    takes_body: bool = False
    any_case: bool = False  # but of a `:verb`; no parameter has a colon, no path a slash at its end


@dataclass(slots=True)
class Exchange:
    """A request on its way, and what is known of it so far."""

    request: Request
    began: float = 0.0  # perf_counter, when its head was whole
    id: str = field(default="", init=False)
    operation: Operation | None = field(default=None, init=False)  # None: no row answers this
    dialect: Dialect | None = field(default=None, init=False)  # who words it
    arguments: Any = field(default=None, init=False)  # the path's parameters, by name
    key: str = field(default="", init=False)  # the name of the key that was shown, if one is asked
    trace: Any = field(default=None, init=False)  # that it belongs to, where traces are on ...
    span: Any = field(default=None, init=False)  # ... and its span there
    source: Any = field(default=None, init=False)  # the loaded version that it is for
    prediction: Any = field(default=None, init=False)  # what that answered, and to which rows
    refusal: str = field(default="", init=False)  # the error with which the gate refused, or failed
    response: Response | None = field(default=None, init=False)
    seconds: float = field(default=0.0, init=False)  # from its head to its response


class Application(Protocol):
    """What the server hands its exchanges to, in this order; none of these raises."""

    def enter(self, exchange: Exchange) -> None:
        """The head is read: find the operation, and set `response` when it is refused."""

    def answer(self, exchange: Exchange) -> None:
        """The body is read: set `response`, by way of Flask unless it is hot or watching."""

    def refuse(self, exchange: Exchange, error: Exception) -> None:
        """The server cannot have it answered: set `response` and `refusal`.

        What is no ServiceError is logged with its traceback, and is a failure.
        """

    def leave(self, exchange: Exchange) -> None:
        """It is over, answered or not: tell the observers."""
