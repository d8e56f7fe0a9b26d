"""The OpenAPI document: complete, valid, and true of the running app."""

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from models.publish import import_version
from models.registry import Registry
from service.api.refusals import STATUS
from service.app import create_app, create_host
from service.serving.host import Host
from service.settings import Settings

EXAMPLES = {"model": "calories", "name": "calories", "version": "1", "label": "stable"}


@pytest.fixture(scope="module")
def host(shipped: Registry) -> Iterator[Host]:
    host = create_host(Settings(registry=shipped.root))
    yield host
    host.close()


@pytest.fixture(scope="module")
def app(shipped: Registry, host: Host) -> Flask:
    return create_app(Settings(registry=shipped.root), host)


@pytest.fixture(scope="module")
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return dict(response.get_json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def conforms(document: dict[str, Any], schema: dict[str, Any], value: object) -> None:
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole).validate(value)


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_no_operation_answers_its_examples_with_a_fault_of_the_service(
    document: dict[str, Any],
) -> None:
    for method, path, operation in operations(document):
        for status in ("500", "503"):
            for content in operation["responses"][status]["content"].values():
                told = {"Overloaded", "Unforeseen"}
                assert content["examples"].keys() <= told, (method, path)


def test_every_status_of_an_error_has_an_example(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                [content] = response["content"].values()
                assert content["examples"], (method, path, status)


def test_every_example_of_an_answer_conforms_to_its_schema(document: dict[str, Any]) -> None:
    shown = 0
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            for content in response.get("content", {}).values():
                for example in content.get("examples", {}).values():
                    conforms(document, content["schema"], example["value"])
                    shown += 1
    assert shown > 300


def test_every_example_of_a_request_conforms_and_is_answered_as_the_document_shows(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    asked = 0
    for method, path, operation in operations(document):
        answers = operation["responses"].get("200", {}).get("content", {})
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for name, example in content.get("examples", {}).items():
                body = example["value"]
                if path.startswith("/admin"):
                    continue  # it would move labels; tests/api/test_admin.py asks
                conforms(document, content["schema"], body)
                data = body if isinstance(body, str) else json.dumps(body)
                response = client.open(
                    path.format(**EXAMPLES), method=method, data=data, content_type=media_type
                )
                assert response.status_code == 200, (path, name)
                assert response.mimetype in answers, (path, name)
                received = response.get_json() if response.is_json else response.text
                assert received == answers[response.mimetype]["examples"][name]["value"]
                asked += 1
    assert asked > 20


def test_every_domain_error_has_its_status_in_the_document(document: dict[str, Any]) -> None:
    told = {
        status
        for _, _, operation in operations(document)
        for status in map(int, operation["responses"])
    }
    assert {int(status) for status in STATUS.values()} <= told


def test_writing_the_document_moves_no_label_and_tells_no_setting(
    client: FlaskClient, shipped: Registry
) -> None:
    text = client.get("/openapi.json").text
    assert not list(shipped.root.rglob("labels.json"))
    assert str(shipped.root) not in text


def test_each_dialect_documents_errors_in_its_own_form(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                [(media_type, content)] = response["content"].items()
                other = path.startswith(("/v1", "/v2"))
                assert media_type == ("application/json" if other else "application/problem+json")
                name = "Error" if other else "Problem"
                assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}


def test_the_examples_are_not_counted_as_rows(shipped: Registry, host: Host) -> None:
    client = create_app(Settings(registry=shipped.root), host).test_client()
    client.get("/openapi.json")
    assert "calories_rows_total{" not in client.get("/metrics").text


def test_the_document_comes_once_and_then_304(client: FlaskClient) -> None:
    tag = client.get("/openapi.json").headers["etag"]
    assert client.get("/openapi.json", headers={"if-none-match": tag}).status_code == 304


def test_the_examples_take_no_load_from_those_who_count(shipped: Registry) -> None:
    settings = Settings(registry=shipped.root)
    host = create_host(settings)
    client = create_app(settings, host).test_client()
    assert client.get("/openapi.json").status_code == 200
    loaded = 'calories_loads_total{model="calories",outcome="loaded"} 1.0'
    assert loaded in client.get("/metrics").text


def test_a_version_that_the_document_was_made_of_leaves_the_memory(
    registry: Registry, shipped: Registry
) -> None:
    folder = shipped.folder("calories", 1)
    import_version(registry, folder)
    settings = Settings(registry=registry.root, versions="latest:1")
    host = create_host(settings)
    client = create_app(settings, host).test_client()
    assert client.get("/openapi.json").status_code == 200
    import_version(registry, folder)
    host.refresh()
    gc.collect()
    assert set(host.model("calories").versions()) == {2}


def test_the_document_of_keys_says_how_they_are_shown(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert "401" in document["paths"]["/predict"]["post"]["responses"]
    assert "401" not in document["paths"]["/healthz"]["get"]["responses"]
