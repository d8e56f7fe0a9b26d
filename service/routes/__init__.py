"""Routes: Flask blueprints that hand bytes to a dialect and its Reply back."""

from flask import Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from service.dialects import Reply, Request


def received() -> Request:
    """The present request as the dialects take it, its body read whole."""
    return Request(read_body(), request.environ)


def respond(reply: Reply) -> Response:
    """A dialect's Reply as Flask's Response."""
    response = Response(reply.body, reply.status, content_type=reply.content_type)
    response.headers.extend(reply.headers)
    return response


def read_body() -> bytes:
    """The request's body; raises RequestEntityTooLarge (413) when it is over MAX_CONTENT_LENGTH.

    Flask refuses by the Content-Length header, but ends a chunked body at the limit as if it
    were whole. Reading one byte more than is allowed tells the two apart.
    """
    limit = current_app.config["MAX_CONTENT_LENGTH"]
    request.max_content_length = limit + 1
    body = request.get_data(cache=False)
    if len(body) > limit:
        raise RequestEntityTooLarge
    return body
