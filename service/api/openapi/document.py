"""Writing operations and the answers to their examples down as OpenAPI 3.1."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus
from string import Formatter
from typing import Any, NamedTuple

from openapi_pydantic import (
    Components,
    DataType,
    Example,
    Header,
    Info,
    MediaType,
    OpenAPI,
    PathItem,
    Reference,
    RequestBody,
    Response,
    Schema,
    SecurityScheme,
    Server,
    Tag,
)
from openapi_pydantic import Operation as OperationObject

from service import __version__
from service.api.openapi.examples import Asking, Shown, refused
from service.api.openapi.parts import (
    TOKEN,
    About,
    Part,
    Section,
    header,
    in_path,
    reference,
)
from service.api.openapi.shapes import Shapes
from service.errors import (
    BodyTooLarge,
    Forbidden,
    Overloaded,
    RateLimited,
    ServiceError,
    TooSlow,
    Unauthorized,
    Unforeseen,
)
from service.exchange import Application, Operation, Scope
from service.gate.access import NO_ADMIN_KEY, SEND

OK = HTTPStatus.OK
DESCRIPTION = """\
Answers rows of numbers with the predictions of Keras models. Three dialects give the same
answers: the native one, TensorFlow Serving's REST API below /v1, and the Open Inference Protocol
below /v2. A path that is not here gets 404, another method than a path's own 405 with Allow (below
/v1, as in TensorFlow Serving, 400). Rows have the inputs of the model that answers by default; what
another model takes is in its manifest, GET /models/NAME/VERSION."""
# What the gate answers, whatever is asked; no request can be shown that provokes it.
ALWAYS = (Overloaded(), Unforeseen())
OF_BODIES = (
    BodyTooLarge(8_388_608),
    TooSlow("The body took longer than BODY_SECONDS allows, 60 s; send it again."),
)
OF_KEYS = (
    Unauthorized(f"This path takes a key for predict: {SEND}."),
    Forbidden("The key 'deploy' is for admin; this path takes one for predict."),
    RateLimited("The key 'shop' may send 50 requests a second; try again later.", 1),
)
OF_ADMIN_KEYS = (
    Unauthorized(f"This path takes a key for admin: {SEND}."),
    Forbidden(NO_ADMIN_KEY),
    RateLimited("The key 'deploy' may send 50 requests a second; try again later.", 1),
)
KEY: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]
ANYONE_OR_KEY: list[dict[str, list[str]]] = [{}, *KEY]
OF_SCOPES: dict[Scope, tuple[ServiceError, ...]] = {
    "open": (),
    "predict": OF_KEYS,
    "either": OF_KEYS,
    "admin": OF_ADMIN_KEYS,
}
SECURED: dict[Scope, list[dict[str, list[str]]] | None] = {
    "open": None,
    "predict": ANYONE_OR_KEY,
    "either": ANYONE_OR_KEY,
    "admin": KEY,
}
SECURITY = {
    "key": SecurityScheme(
        type="apiKey",
        name="X-API-Key",
        security_scheme_in="header",
        description="Asked for where the service has keys (PREDICT_KEYS, KEYS_FILE).",
    ),
    "bearer": SecurityScheme(type="http", scheme="bearer", description="The same key."),
}

REQUEST_ID = header("X-Request-Id", "what the answer and the log repeat, or else make up", TOKEN)
SENT = {
    "X-Request-Id": "the request's id, in the log too",
    "X-Model-Label": "the label by whose share of the requests the version answered",
    "X-Model": "the model that answered",
    "X-Model-Version": "its version",
    "Inference-Header-Content-Length": "the length of the JSON, where bytes follow it",
    "Retry-After": "seconds to wait",
    "WWW-Authenticate": "how a key is shown",
    "Content-Security-Policy": "what the page may load",
}
ALWAYS_SENT = {"X-Request-Id", "WWW-Authenticate", "Content-Security-Policy"}  # where they may be


def written(
    operations: Sequence[Operation],
    sections: Sequence[Section],
    about: About,
    application: Application,
) -> bytes:
    """The document as JSON; raises KeyError for an operation that no section has a part of."""
    parts = {
        name: (section, part) for section in sections for name, part in section.parts(about).items()
    }
    told = [_Told(operation, *parts[operation.name]) for operation in operations]
    shapes = Shapes([each.part for each in told], [each.error for each in sections])
    asking = Asking(application, about.path)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for each in told:
        operation = each.operation
        shown = [
            *asking.shown(operation, each.part),
            *map(partial(refused, operation), (*each.part.refusals, *gated(operation))),
        ]
        paths[operation.path][operation.method.lower()] = _operation(each, shown, shapes)
    found = OpenAPI(
        openapi="3.1.1",
        info=Info(title="The calorie service", version=__version__, description=DESCRIPTION),
        servers=[Server(url=".")],  # beside the document, below a proxy's prefix too
        tags=[Tag(name=each.tag, description=each.description) for each in sections],
        paths={path: PathItem(**methods) for path, methods in paths.items()},
        components=Components(
            schemas=shapes.components,
            parameters={"X-Request-Id": REQUEST_ID},
            headers={name: _header(name) for name in SENT},
            securitySchemes=SECURITY,
        ),
    )
    return (
        found.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=True).encode() + b"\n"
    )


class _Told(NamedTuple):
    """An operation with what the document says of it."""

    operation: Operation
    section: Section
    part: Part


def gated(operation: Operation) -> tuple[ServiceError, ...]:
    """What the gate may refuse an operation with."""
    of_body = OF_BODIES if operation.takes_body else ()
    return (*OF_SCOPES[operation.scope], *of_body, *ALWAYS)


def _operation(told: _Told, shown: Sequence[Shown], shapes: Shapes) -> OperationObject:
    operation, section, part = told
    statuses = {each.status for each in shown} | ({OK} if part.gives else set())
    names = [name for _, name, _, _ in Formatter().parse(operation.path) if name]
    return OperationObject(
        operationId=operation.name,
        summary=part.summary,
        tags=[section.tag],
        parameters=[
            *map(in_path, names),
            *part.parameters,
            reference("parameters", "X-Request-Id"),
        ],
        requestBody=_request(part, shown, shapes) if part.takes else None,
        responses={
            str(int(status)): _response(
                HTTPStatus(status), told, [it for it in shown if it.status == status], shapes
            )
            for status in sorted(statuses)
        },
        security=SECURED[operation.scope],
    )


def _request(part: Part, shown: Sequence[Shown], shapes: Shapes) -> RequestBody:
    """What an operation takes; only requests that were answered with 200 are examples."""
    right = [each.case for each in shown if each.case and each.status == OK]
    content = {}
    for media_type, shape in part.takes.items():
        found = [(it.name, it.body) for it in right if it.media_type == media_type]
        content[media_type] = _media(shapes.taken(shape), found)
    return RequestBody(required=True, content=content)


def _response(status: HTTPStatus, told: _Told, shown: Sequence[Shown], shapes: Shapes) -> Response:
    refusal = {each.media_type: told.section.error for each in shown}
    content = {}
    for media_type, shape in (told.part.gives if status == OK else refusal).items():
        found = [
            (each.name, each.value)
            for each in shown
            if each.media_type == media_type and each.value is not None
        ]
        content[media_type] = _media(shapes.given(shape), found)
    headers = {name for each in shown for name, _ in each.headers if name in SENT}
    return Response(
        description=status.phrase,
        headers={name: reference("headers", name) for name in sorted({"X-Request-Id", *headers})},
        content=content or None,
    )


def _media(schema: Schema | Reference, examples: Iterable[tuple[str, Any]]) -> MediaType:
    found = {_key(name): Example(summary=name, value=value) for name, value in examples}
    return MediaType(media_type_schema=schema, examples=found or None)


def _key(name: str) -> str:
    """The name of an example as the specification lets it be one in components too."""
    return name.replace(" ", "-").replace(",", "")


def _header(name: str) -> Header:
    schema = Schema(type=DataType.STRING)
    if name in ALWAYS_SENT:
        return Header(description=SENT[name], required=True, param_schema=schema)
    return Header(description=SENT[name], param_schema=schema)
