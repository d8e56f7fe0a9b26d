"""Writing operations and the answers to their examples down as OpenAPI 3.1."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus
from string import Formatter
from typing import Any

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
from service.api.native.document import Problem
from service.api.openapi.examples import Answer, Recorder, refused
from service.api.openapi.parts import TOKEN, Operation, header, in_path, reference
from service.api.openapi.shapes import Shapes
from service.api.tfserving.document import Error
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
from service.gate.access import ADMIN, NO_ADMIN_KEY, OPEN, OPEN_BELOW, SEND

OK = HTTPStatus.OK
DESCRIPTION = """\
Predicts the calories of a serving of cereal. Three dialects give the same answers: the native
one, TensorFlow Serving's REST API below /v1, and the Open Inference Protocol below /v2.
A path that is not here gets 404, another method than a path's own 405 with Allow (below /v1, as
in TensorFlow Serving, 400). Rows have the inputs of the model that answers by default; what
another model takes is in its manifest, GET /models/NAME/VERSION."""
TAGS = {
    "native": "Predictions, explanations and what is served; errors are problem documents.",
    "v1": "TensorFlow Serving's REST API and KServe's :explain; errors are {\"error\": sentence}.",
    "v2": 'The Open Inference Protocol; errors are {"error": sentence}.',
    "admin": "Labels moved over HTTP, with a key for administration; errors are problem documents.",
    "operations": "Health, metrics, pages; errors are problem documents.",
}
ERRORS = {"v1": Error, "v2": Error, **dict.fromkeys(("native", "admin", "operations"), Problem)}

# What the guard answers, whatever the path; no request can be shown that provokes it.
ALWAYS = (
    Overloaded("The service is busy with as many requests as it may be; try again."),
    Unforeseen("The service failed to answer; its log says why."),
)
OF_BODIES = (
    BodyTooLarge(
        "The body is larger than MAX_BODY_BYTES allows, 8388608 bytes; send fewer rows a request."
    ),
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


def written(operations: Sequence[Operation], recorder: Recorder) -> bytes:
    """The document as JSON."""
    shapes = Shapes(operations)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        answers = [
            *recorder.answers(operation),
            *map(partial(refused, operation), (*operation.refusals, *guarded(operation))),
        ]
        paths[operation.path][operation.method.lower()] = _operation(operation, answers, shapes)
    found = OpenAPI(
        openapi="3.1.1",
        info=Info(title="The calorie service", version=__version__, description=DESCRIPTION),
        servers=[Server(url=".")],  # beside the document, below a proxy's prefix too
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
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


def guarded(operation: Operation) -> tuple[ServiceError, ...]:
    """What the guard may refuse an operation with."""
    of_keys = OF_ADMIN_KEYS if operation.path.startswith(ADMIN) else OF_KEYS
    return (
        *(of_keys if _security(operation.path) else ()),
        *(OF_BODIES if operation.takes else ()),
        *ALWAYS,
    )


def _operation(operation: Operation, answers: Sequence[Answer], shapes: Shapes) -> OperationObject:
    statuses = {each.status for each in answers} | ({OK} if operation.gives else set())
    names = [name for _, name, _, _ in Formatter().parse(operation.path) if name]
    return OperationObject(
        operationId=operation.name,
        summary=operation.summary,
        tags=[_tag(operation.path)],
        parameters=[
            *map(in_path, names),
            *operation.parameters,
            reference("parameters", "X-Request-Id"),
        ],
        requestBody=_request(operation, answers, shapes) if operation.takes else None,
        responses={
            str(int(status)): _response(
                HTTPStatus(status), operation, [it for it in answers if it.status == status], shapes
            )
            for status in sorted(statuses)
        },
        security=_security(operation.path),
    )


def _security(path: str) -> list[dict[str, list[str]]] | None:
    if path in OPEN or path.startswith(OPEN_BELOW):
        return None
    return KEY if path.startswith(ADMIN) else ANYONE_OR_KEY


def _request(operation: Operation, answers: Sequence[Answer], shapes: Shapes) -> RequestBody:
    """What an operation takes; only requests that were answered with 200 are examples."""
    right = [answer.exchange for answer in answers if answer.exchange and answer.status == OK]
    content = {}
    for media_type, shape in operation.takes.items():
        found = [(it.name, it.body) for it in right if it.media_type == media_type]
        content[media_type] = _media(shapes.taken(shape), found)
    return RequestBody(required=True, content=content)


def _response(
    status: HTTPStatus, operation: Operation, answers: Sequence[Answer], shapes: Shapes
) -> Response:
    refusal = {answer.media_type: ERRORS[_tag(operation.path)] for answer in answers}
    content = {}
    for media_type, shape in (operation.gives if status == OK else refusal).items():
        shown = [
            (each.name, each.shown)
            for each in answers
            if each.media_type == media_type and each.shown is not None
        ]
        content[media_type] = _media(shapes.given(shape), shown)
    headers = {name for each in answers for name in SENT if name in each.headers}
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


def _tag(path: str) -> str:
    first = path[1:].partition("/")[0]
    if first in {"v1", "v2", "admin"}:
        return first
    return "native" if first in {"predict", "explain", "models"} else "operations"
