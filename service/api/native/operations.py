"""The native dialect: its rows of the table, and what is served."""

from collections.abc import Callable
from functools import partial
from typing import Any

from service.api import answers
from service.api.answers import ok
from service.api.native.errors import NATIVE, OTHER
from service.api.native.predictions import explain, predict
from service.exchange import Exchange, Operation, Response
from service.serving.dataplane import DataPlane, version_of
from service.serving.loaded import Loaded, Model


def operations(plane: DataPlane) -> tuple[Operation, ...]:
    """Its rows of the table."""

    def told(name: str, path: str, answer: Callable[[DataPlane, Exchange], Response]) -> Operation:
        return Operation(name, "GET", path, partial(answer, plane), OTHER)

    version = "/models/{model}/{version}"
    return (
        Operation(
            "predict",
            "POST",
            "/predict",
            partial(predict, plane),
            NATIVE,
            hot=True,
            takes_body=True,
        ),
        Operation("explain", "POST", "/explain", partial(explain, plane), NATIVE, takes_body=True),
        told("models", "/models", models),
        told("model", "/models/{model}", model),
        told("manifest", version, manifest),
        told("training", f"{version}/training", training),
    )


def models(plane: DataPlane, _: Exchange) -> Response:
    """List the models with their labels and versions, and tell which is the default."""
    listed = [described(name, each) for name, each in plane.served().items()]
    return ok({"models": listed, "default": plane.default_model})


def model(plane: DataPlane, exchange: Exchange) -> Response:
    """Tell one model's labels and versions."""
    name = exchange.arguments["model"]
    return ok(described(name, plane.model(name)))


def described(name: str, served: Model) -> dict[str, Any]:
    """A model's labels, their shares and its versions with their states, for JSON."""
    versions = []
    for version, (state, reason) in served.versions().items():
        told: dict[str, Any] = {"version": version, "state": state}
        if version in served.loaded:
            told["engine"] = served.loaded[version].engine.name
        if reason:
            told["reason"] = reason
        versions.append(told)
    shares = {label: share.percent for label, share in served.shares.items()}
    return {
        "name": name,
        "labels": served.labels,
        **({"shares": shares} if shares else {}),
        "versions": versions,
    }


def manifest(plane: DataPlane, exchange: Exchange) -> Response:
    """Give a version's manifest."""
    source = _named(plane, exchange)
    return Response(200, source.manifest.model_dump_json().encode() + b"\n")


def training(plane: DataPlane, exchange: Exchange) -> Response:
    """Give rows that a version was trained on, with what was measured, as CSV."""
    source = _named(plane, exchange)
    return Response(200, plane.rows(source), "text/csv; charset=utf-8")


def _named(plane: DataPlane, exchange: Exchange) -> Loaded:
    """The version that the path names."""
    named = exchange.arguments
    return answers.choose(plane, exchange, named["model"], version_of(named["version"]))
