"""Administration. Nothing is asked here: it would move labels, and tell the settings to anyone."""

from collections.abc import Mapping
from typing import Any, NotRequired

from service import __version__
from service.api.admin.operations import Rollback, Target
from service.api.native.document import Problem, ServedModel
from service.api.openapi.parts import JSON, About, Case, Object, Part, Section
from service.errors import Conflict, Fault, InvalidInput, MalformedBody, NotFound
from service.errors import UnsupportedMediaType as WrongType


class Labels(Object):
    """Which version each label of a model names now, and the percent that a label takes."""

    model: str
    labels: dict[str, int]
    shares: NotRequired[dict[str, float]]


class NamedKey(Object):
    """A key without its secret."""

    name: str
    scope: str


class Status(Object):
    """What the worker that answers holds, and its settings."""

    service: str
    models: list[ServedModel]
    keys: list[NamedKey]
    settings: dict[str, Any]


OF_BODIES = (
    MalformedBody("The body is not JSON: EOF while parsing an object at line 1 column 1."),
    WrongType(f"expected content type {JSON}, received 'text/plain'."),
    InvalidInput([Fault("version", "a positive whole number", '"two"')]),
)


def parts(about: About) -> Mapping[str, Part]:
    """Labels, and the state of a worker."""
    model, version = about.source.model, about.source.version
    placed = {"model": model, "labels": {"stable": version}}
    canary = {**placed, "labels": {"stable": version, "canary": version}, "shares": {"canary": 5.0}}
    told = {
        "service": __version__,
        "models": [],
        "keys": [{"name": "deploy", "scope": "admin"}],
        "settings": {"workers": 2},
    }
    choose = f"'python -m models label {model} stable VERSION'"
    no_version = NotFound(
        f"Model '{model}' has no version 999; it has: {version} (latest {version})."
    )
    no_label = NotFound(f"Model '{model}' has no label 'nobody'; it has: stable.")
    no_move = NotFound(
        f"'stable' of {model} has been at version {version} from the start; choose a version "
        f"with {choose}."
    )
    no_share = Conflict("'stable' takes what the other labels leave: give it no percent.")
    needed = Conflict(
        "'stable' cannot be removed, it answers what asks for no version; move it with "
        + choose
        + "."
    )
    elsewhere = Conflict(
        "The registry /registry cannot be written from here (Read-only file system): run 'python "
        f"-m models --registry /registry rollback {model} stable' where it can be; with "
        "docker-compose that is 'docker-compose run --rm training python -m models --registry "
        f"/registry rollback {model} stable'."
    )
    return {
        "label": Part(
            "Point a label at a version, with a percent of the requests or without.",
            {JSON: Labels},
            (Case("a canary", {"version": version, "percent": 5}, answer=canary),),
            {JSON: Target},
            refusals=(*OF_BODIES, no_version, no_share),
        ),
        "unlabel": Part(
            "Take a label away.",
            {JSON: Labels},
            (Case("taken away", answer=placed),),
            refusals=(no_label, needed),
        ),
        "rollback": Part(
            "Undo a label's last move.",
            {JSON: Labels},
            (Case("undone", {"label": "stable"}, answer=placed),),
            {JSON: Rollback},
            refusals=(*OF_BODIES, no_move, elsewhere),
        ),
        "status": Part(
            "What the worker that answers holds, and its settings.",
            {JSON: Status},
            (Case("a worker", answer=told),),
        ),
    }


SECTION = Section(
    "admin",
    "Labels moved over HTTP, with a key for administration; errors are problem documents.",
    Problem,
    parts,
)
