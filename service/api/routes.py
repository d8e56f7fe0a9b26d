"""Routes: Flask blueprints that hand a request to a dialect and its Reply back."""

from flask import Response

from service.api.answers import Reply


def respond(reply: Reply) -> Response:
    """A dialect's Reply as Flask's Response."""
    response = Response(reply.body, reply.status, content_type=reply.content_type)
    response.headers.extend(reply.headers)
    return response
