"""Administration, in the native dialect: labels moved over HTTP as `python -m models` moves them.

    PUT    /admin/models/calories/labels/canary   {"version": 2, "percent": 5}
    DELETE /admin/models/calories/labels/canary
    POST   /admin/models/calories/rollback        {"label": "stable"}, or nothing

Labels lie on disk: whichever worker answers moves them, and all workers follow.
"""

import logging
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.labels import STABLE
from models.registry import NotInRegistry, RegistryError
from service import __version__
from service.api.answers import Reply, Request, dumps, require_plain
from service.api.native import operations as native
from service.codecs.json_rows import path, received
from service.codecs.media_types import media_type
from service.errors import (
    Conflict,
    Fault,
    InvalidInput,
    MalformedBody,
    NotFound,
    ServiceError,
    UnsupportedMediaType,
)
from service.keys import Keys
from service.serving.host import Host

log = logging.getLogger("service.admin")


class Move(BaseModel):
    """Where a label goes; each description is what a wrong value was expected to be."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: int = Field(ge=1, description="a positive whole number")
    percent: float | None = Field(None, gt=0, le=100, description="a number above 0, at most 100")


class Rollback(BaseModel):
    """Which label goes back."""

    model_config = ConfigDict(strict=True, extra="forbid")

    label: str = Field(STABLE, min_length=1, description="the name of a label")


Body = TypeVar("Body", bound=BaseModel)


def label(host: Host, request: Request, model: str, name: str) -> Reply:
    """Answer PUT /admin/models/<model>/labels/<name>: point a label at a version."""
    try:
        to = _body(request, Move)
        share = [] if to.percent is None else ["--percent", f"{to.percent:g}"]
        with _writing(host, request, "label", model, name, str(to.version), *share):
            host.registry.set_label(model, name, to.version, to.percent)
        return _placed(host, model)
    except ServiceError as error:
        return native.refuse(error)


def unlabel(host: Host, request: Request, model: str, name: str) -> Reply:
    """Answer DELETE /admin/models/<model>/labels/<name>: take a label away."""
    try:
        with _writing(host, request, "unlabel", model, name):
            host.registry.remove_label(model, name)
        return _placed(host, model)
    except ServiceError as error:
        return native.refuse(error)


def rollback(host: Host, request: Request, model: str) -> Reply:
    """Answer POST /admin/models/<model>/rollback: undo a label's last move."""
    try:
        name = _body(request, Rollback).label if request.body else STABLE
        with _writing(host, request, "rollback", model, name):
            host.registry.rollback(model, name)
        return _placed(host, model)
    except ServiceError as error:
        return native.refuse(error)


def status(host: Host, settings: Mapping[str, Any], keys: Keys) -> Reply:
    """Answer GET /admin/status: what this worker holds, and with which settings."""
    told = {
        "service": __version__,
        "models": [native.described(name, served) for name, served in host.snapshot.items()],
        "keys": [{"name": key.name, "scope": key.scope} for key in keys.all()],
        "settings": settings,
    }
    return Reply(HTTPStatus.OK, dumps(told))


def _placed(host: Host, model: str) -> Reply:
    """The labels of a model as they lie on disk now."""
    places = host.registry.placed(model)
    shares = {name: at.percent for name, at in places.items() if at.percent is not None}
    told = {
        "model": model,
        "labels": {name: at.version for name, at in places.items()},
        **({"shares": shares} if shares else {}),
    }
    return Reply(HTTPStatus.OK, dumps(told))


@contextmanager
def _writing(host: Host, request: Request, *command: str) -> Iterator[None]:
    """Carry out what `python -m models` does by `command`; look at it at once, and log who did it.

    Raises NotFound, and Conflict for what the registry refuses or cannot write here.
    """
    try:
        yield
    except NotInRegistry as error:
        raise NotFound(str(error)) from error
    except RegistryError as error:
        raise Conflict(str(error)) from error
    except OSError as error:
        raise Conflict(_elsewhere(host, error, shlex.join(command))) from error
    log.info("%s by the key %r", shlex.join(command), request.key_name or "none")
    host.look()


def _elsewhere(host: Host, error: OSError, command: str) -> str:
    root = host.registry.root
    return (
        f"The registry {root} cannot be written from here ({error.strerror}): run 'python -m "
        f"models --registry {root} {command}' where it can be; with docker-compose that is "
        f"'docker-compose run --rm training python -m models --registry /registry {command}'."
    )


def _body(request: Request, form: type[Body]) -> Body:
    """The body as `form`; raises the errors of a body that is not that."""
    require_plain(request)
    if media_type(request.content_type) != native.TYPE:
        raise UnsupportedMediaType(
            f"expected content type {native.TYPE}, received {request.content_type or 'none'!r}."
        )
    try:
        return form.model_validate_json(request.body)
    except ValidationError as error:
        details = error.errors(include_url=False)
    if details[0]["type"] == "json_invalid":
        raise MalformedBody(f"The body is not JSON: {details[0]['ctx']['error']}.")
    raise InvalidInput([_fault(detail, form) for detail in details])


def _fault(detail: Any, form: type[BaseModel]) -> Fault:
    place = detail["loc"]
    field = form.model_fields.get(place[0]) if place else None
    fields = " and ".join(form.model_fields)
    expected = (field and field.description) or f"an object with {fields} and nothing else"
    return Fault(path(place), expected, received(detail))
