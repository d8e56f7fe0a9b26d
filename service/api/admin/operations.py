"""Administration, in the native dialect: labels moved over HTTP as `python -m models` moves them.

    PUT    /admin/models/NAME/labels/canary   {"version": 2, "percent": 5}
    DELETE /admin/models/NAME/labels/canary
    POST   /admin/models/NAME/rollback        {"label": "stable"}, or nothing

Labels lie on disk: whichever worker answers moves them, and all workers follow.
"""

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from models.labels import STABLE
from models.registry import NotInRegistry, RegistryError
from service import __version__
from service.api.answers import JSON, ok, require_plain
from service.api.native.errors import OTHER
from service.api.native.operations import described
from service.codecs.faults import path, received, validated
from service.codecs.media_types import media_type
from service.errors import (
    Conflict,
    Fault,
    NotFound,
    UnsupportedMediaType,
)
from service.exchange import Exchange, Operation, Request, Response
from service.keys.follow import Keys
from service.serving.host import Host

log = logging.getLogger("service.admin")


class Target(BaseModel):
    """Where a label goes; each description is what a wrong value was expected to be."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: int = Field(ge=1, description="a positive whole number")
    percent: float | None = Field(None, gt=0, le=100, description="a number above 0, at most 100")


class Rollback(BaseModel):
    """Which label goes back."""

    model_config = ConfigDict(strict=True, extra="forbid")

    label: str = Field(STABLE, min_length=1, description="the name of a label")


Body = TypeVar("Body", bound=BaseModel)


def operations(host: Host, settings: Mapping[str, Any], keys: Keys) -> tuple[Operation, ...]:
    """Its rows of the table; `settings` are those that may be told."""

    def row(name: str, method: str, path: str, answer: Callable[[Exchange], Response]) -> Operation:
        body = method in {"PUT", "POST"}
        return Operation(name, method, f"/admin{path}", answer, OTHER, "admin", takes_body=body)

    labels = "/models/{model}/labels/{name}"
    return (
        row("label", "PUT", labels, partial(label, host)),
        row("unlabel", "DELETE", labels, partial(unlabel, host)),
        row("rollback", "POST", "/models/{model}/rollback", partial(rollback, host)),
        row("status", "GET", "/status", partial(status, host, settings, keys)),
    )


def label(host: Host, exchange: Exchange) -> Response:
    """Point a label at a version."""
    model, name = exchange.arguments["model"], exchange.arguments["name"]
    to = _body(exchange.request, Target)
    share = [] if to.percent is None else ["--percent", f"{to.percent:g}"]
    with _writing(host, exchange, "label", model, name, str(to.version), *share):
        host.registry.set_label(model, name, to.version, to.percent)
    return _placed(host, model)


def unlabel(host: Host, exchange: Exchange) -> Response:
    """Take a label away."""
    model, name = exchange.arguments["model"], exchange.arguments["name"]
    with _writing(host, exchange, "unlabel", model, name):
        host.registry.remove_label(model, name)
    return _placed(host, model)


def rollback(host: Host, exchange: Exchange) -> Response:
    """Undo a label's last move; `stable` is meant by a request without a body."""
    model, request = exchange.arguments["model"], exchange.request
    name = _body(request, Rollback).label if request.body else STABLE
    with _writing(host, exchange, "rollback", model, name):
        host.registry.rollback(model, name)
    return _placed(host, model)


def status(host: Host, settings: Mapping[str, Any], keys: Keys, _: Exchange) -> Response:
    """Tell what this worker holds, and with which settings."""
    return ok(
        {
            "service": __version__,
            "models": [described(name, served) for name, served in host.models.items()],
            "keys": [{"name": key.name, "scope": key.scope} for key in keys.all()],
            "settings": settings,
        }
    )


def _placed(host: Host, model: str) -> Response:
    """The labels of a model as they lie on disk now."""
    places = host.registry.placed(model)
    shares = {name: at.percent for name, at in places.items() if at.percent is not None}
    told = {
        "model": model,
        "labels": {name: at.version for name, at in places.items()},
        **({"shares": shares} if shares else {}),
    }
    return ok(told)


@contextmanager
def _writing(host: Host, exchange: Exchange, *command: str) -> Iterator[None]:
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
    log.info("%s by the key %r", shlex.join(command), exchange.key or "none")
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
    content_type = request.header("content-type")
    if media_type(content_type) != JSON:
        raise UnsupportedMediaType(
            f"expected content type {JSON}, received {content_type or 'none'!r}."
        )
    return validated(form.model_validate_json, request.body, partial(_fault, form), ".")


def _fault(form: type[BaseModel], detail: Any, found: Any) -> Fault:
    place = detail["loc"]
    field = form.model_fields.get(place[0]) if place else None
    fields = " and ".join(form.model_fields)
    expected = (field and field.description) or f"an object with {fields} and nothing else"
    return Fault(path(place), expected, received(detail, found))
