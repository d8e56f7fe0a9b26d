"""What the document says of an operation, as the dialects' modules write it down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from openapi_pydantic import DataType, Parameter, Reference, Schema
from pydantic import ConfigDict
from typing_extensions import TypedDict

from models.registry import NAME
from service.codecs import formats, json_rows
from service.errors import ServiceError
from service.serving.loaded import Loaded
from service.serving.shapley import EXACT

JSON = "application/json"
CSV, ARROW = formats.CSV, formats.ARROW
BYTES = "application/octet-stream"
HTML = "text/html"

Shape = Any  # a type, the TypeAdapter that validates a request, or a tuple: any of them
Content = Mapping[str, Shape]  # by media type


@dataclass(frozen=True)
class Case:
    """A request; the service's own answer to it is the example of its status.

    `path` names what is other than the default model and its version, `body` is JSON or the
    text itself. `answer` is written down where asking would change something.
    """

    name: str
    body: Any = None
    media_type: str = JSON
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    path: Mapping[str, str] = field(default_factory=dict)
    answer: Any = None


@dataclass(frozen=True)
class Part:
    """What the document says of an operation that its row does not say already.

    What it takes and gives by media type, and requests as examples. It has the statuses that
    those requests get, those of `refusals`, and the gate's.
    """

    summary: str
    gives: Content
    cases: tuple[Case, ...]
    takes: Content = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    refusals: tuple[ServiceError, ...] = ()


@dataclass(frozen=True)
class Section:
    """A dialect in the document: its tag, its form of errors, and its parts by operation."""

    tag: str
    description: str
    error: Shape
    parts: Callable[["About"], Mapping[str, Part]]


@dataclass(frozen=True)
class About:
    """What the document is about: the version that answers by default, and the bound on rows."""

    source: Loaded
    max_rows: int

    @property
    def forms(self) -> tuple[Shape, Shape, Shape]:
        """What validates a row, rows and columns of the native dialect."""
        return json_rows.schema(self.source.accepted, self.max_rows).forms

    @property
    def row(self) -> dict[str, float]:
        """A row for examples."""
        return self.source.manifest.example

    @property
    def columns(self) -> dict[str, list[float]]:
        """Two rows as columns."""
        return {name: [value, value + 1] for name, value in self.row.items()}

    @property
    def wrong(self) -> dict[str, Any]:
        """A row whose first number is a string."""
        return {**self.row, self.source.inputs[0]: "five"}

    @property
    def contributions(self) -> dict[str, Any]:
        """What an explanation says of a row, with the error of Shapley values that are sampled."""
        sampled = {"standard_error": float} if len(self.source.inputs) > EXACT else {}
        return {"base": float, "contributions": dict[str, float], **sampled}

    @property
    def path(self) -> dict[str, str]:
        """What examples put into paths."""
        model, version = self.source.model, str(self.source.version)
        return {"model": model, "name": model, "version": version, "label": "stable"}


class Object(TypedDict):
    """A JSON object with no field but those that are described."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]


def object_of(name: str, description: str, fields: Mapping[str, Any]) -> Any:
    """Such an object with fields that are known when the service runs."""
    make: Any = TypedDict  # mypy wants the fields spelled out
    found = make(name, dict(fields))
    found.__pydantic_config__ = ConfigDict(extra="forbid")
    found.__doc__ = description
    return found


class Error(Object):
    """A refusal, in the dialects that are not native."""

    error: str


NUMBER = Schema(type=DataType.INTEGER, minimum=1, maximum=999_999_999)
WORD = Schema(type=DataType.STRING, pattern=f"^{NAME.pattern}$")
FILE = Schema(type=DataType.STRING, pattern="^[A-Za-z0-9._-]+$")

PATH = {
    "model": ("a model, as GET /models lists them", WORD),
    "name": ("a name of a model, or of a label", WORD),
    "version": ("a version of the model", NUMBER),
    "label": ("a label, such as stable", WORD),
    "file": ("a script, a style or a picture", FILE),
}


def in_path(name: str) -> Parameter:
    """The parameter that a path names in braces."""
    return _parameter("path", name, *PATH[name], required=True)


def in_query(name: str, description: str, schema: Schema) -> Parameter:
    """A parameter of the query string, which may be left out."""
    return _parameter("query", name, description, schema)


def header(name: str, description: str, schema: Schema) -> Parameter:
    """A header, which may be left out."""
    return _parameter("header", name, description, schema)


def _parameter(
    place: str, name: str, description: str, schema: Schema, *, required: bool = False
) -> Parameter:
    told = {"in": place, "name": name, "description": description, "required": required}
    return Parameter.model_validate({**told, "schema": schema})


def reference(kind: str, name: str) -> Reference:
    """A reference to a component."""
    return Reference.model_validate({"$ref": f"#/components/{kind}/{name}"})


TOKEN = Schema(type=DataType.STRING, pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
CANARY_KEY = header(
    "X-Canary-Key", "what one caller always sends, so that one version answers it", TOKEN
)

NO_MODEL = {"model": "bread", "name": "bread"}
GZIP = {"content-encoding": "gzip"}
NOT_JSON = Case("no JSON", "{")
SERVED = Case("as it is served")
UNKNOWN = Case("an unknown model", path=NO_MODEL)
