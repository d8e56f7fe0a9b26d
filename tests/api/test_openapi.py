"""The OpenAPI document and docs/api.md: complete, valid, and true of the running service."""

import gc
import json
import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import Client

from models.publish import import_version
from models.registry import Registry
from service.api.refusals import STATUS
from service.app import create_app, create_application, create_host
from service.errors import Overloaded
from service.exchange import Exchange, Request
from service.serving.host import Host
from service.settings import Settings
from tests.both_ways import both_ways
from tests.dialects import ROW
from tests.fuzz.schema import fuzz
from tests.servers import DEV_PYTHON, ROOT, running

EXAMPLES = {"model": "calories", "name": "calories", "version": "1", "label": "stable"}
OTHERS = ("/v1", "/v2")  # dialects that were not made here
PATHS = ["/predict", "/v1/models/{model}:predict", "/v2/models/{model}/infer"]
SECRETS = {"shop": "calories_" + "s" * 43, "deploy": "calories_" + "d" * 43}
DIGESTS = {name: sha256(secret.encode()).hexdigest() for name, secret in SECRETS.items()}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def own(shipped: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A registry of its own: what is asked here would move labels if it were not refused."""
    root = shutil.copytree(shipped.root, tmp_path_factory.mktemp("openapi") / "registry")
    host = create_host(Settings(registry=root))
    yield host
    host.close()


def asking(host: Host, **settings: Any) -> Client:
    return create_app(Settings(registry=host.registry.root, **settings), host).test_client()


@pytest.fixture(scope="module")
def service(own: Host) -> Client:
    return both_ways(Settings(registry=own.registry.root), own)


@pytest.fixture(scope="module")
def document(service: Client) -> Document:
    response = service.get("/openapi.json")
    assert (response.status_code, response.content_type) == (200, "application/json")
    again = service.get("/openapi.json", headers={"if-none-match": response.headers["etag"]})
    assert again.status_code == 304
    return dict(json.loads(response.data))


def operations(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def examples(document: Document, method: str, path: str, status: int) -> dict[str, Any]:
    """The examples of a status, by their names."""
    response = document["paths"][path][method.lower()]["responses"][str(status)]
    [content] = response["content"].values()
    return {name: each["value"] for name, each in content["examples"].items()}


def conforms(document: Document, schema: dict[str, Any], value: object) -> bool:
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole).validate(value)
    return True


def test_the_document_is_valid_openapi_3_1_and_says_how_keys_are_shown(document: Document) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()
    assert document["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert "401" in document["paths"]["/predict"]["post"]["responses"]
    assert "401" not in document["paths"]["/healthz"]["get"]["responses"]


def test_every_error_has_an_example_in_its_dialects_form(document: Document) -> None:
    told = set()
    for method, path, operation in operations(document):
        name, kind = ("Error", "json") if path.startswith(OTHERS) else ("Problem", "problem+json")
        for status, response in operation["responses"].items():
            told.add(int(status))
            if int(status) >= 400:
                [(media_type, content)] = response["content"].items()
                assert media_type == f"application/{kind}"
                assert content["schema"] == {"$ref": f"#/components/schemas/{name}"}
                assert content["examples"], (method, path, status)
            if int(status) >= 500:  # no example of a request is answered with a fault
                assert content["examples"].keys() <= {"Overloaded", "Unforeseen"}, (method, path)
    assert {int(status) for status in STATUS.values()} <= told
    assert {status for status, *_ in catalogue()} == {n for n in told if n >= 400} | {405}


def test_every_example_of_an_answer_conforms_to_its_schema(document: Document) -> None:
    shown = [
        conforms(document, content["schema"], example["value"])
        for _, _, operation in operations(document)
        for response in operation["responses"].values()
        for content in response.get("content", {}).values()
        for example in content.get("examples", {}).values()
    ]
    assert len(shown) > 300


def test_every_example_of_a_request_conforms_and_is_answered_as_the_document_shows(
    service: Client, document: Document
) -> None:
    asked = 0
    for method, path, operation in operations(document):
        answers = operation["responses"].get("200", {}).get("content", {})
        if path.startswith("/admin"):
            continue  # it would move labels; tests/api/test_admin.py asks
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            for name, example in content.get("examples", {}).items():
                body = example["value"]
                conforms(document, content["schema"], body)
                data = body if isinstance(body, str) else json.dumps(body)
                response = service.open(
                    path.format(**EXAMPLES), method=method, data=data, content_type=media_type
                )
                assert response.status_code == 200, (path, name)
                received = response.get_json() if response.is_json else response.text
                assert received == answers[response.mimetype]["examples"][name]["value"]
                asked += 1
    assert asked > 20


def test_writing_the_document_moves_no_label_tells_no_setting_and_is_not_counted(
    own: Host,
) -> None:
    client = asking(own)
    assert str(own.registry.root) not in client.get("/openapi.json").text
    assert not list(own.registry.root.rglob("labels.json"))
    counted = client.get("/metrics").text
    assert "calories_rows_total{" not in counted
    assert 'calories_loads_total{model="calories",outcome="loaded"} 1.0' in counted


def test_a_version_that_the_document_was_made_of_leaves_the_memory(
    registry: Registry, shipped: Registry
) -> None:
    folder = shipped.folder("calories", 1)
    import_version(registry, folder)
    host = create_host(Settings(registry=registry.root, versions="latest:1"))
    assert asking(host).get("/openapi.json").status_code == 200
    import_version(registry, folder)
    host.refresh()
    gc.collect()
    assert set(host.model("calories").versions()) == {2}


@pytest.mark.parametrize("path", PATHS)
def test_what_the_gate_refuses_is_worded_as_documented(
    document: Document, service: Client, own: Host, path: str
) -> None:
    limited = asking(
        own,
        predict_keys=f"shop:{DIGESTS['shop']}",
        admin_keys=f"deploy:{DIGESTS['deploy']}",
        rate_limit=50,
        rate_burst_seconds=0.001,
        workers=1,
    )
    shop, deploy = ({"X-API-Key": SECRETS[name]} for name in ("shop", "deploy"))
    asked = path.format(model="calories")
    answers = [
        limited.post(asked),
        limited.post(asked, headers=deploy),
        service.post(asked, data=b" " * (8 * 1024 * 1024 + 1)),
        *(limited.post(asked, headers=shop) for _ in range(50)),
    ]
    refused = {answer.status_code: json.loads(answer.data) for answer in answers}
    for status in (401, 403, 413, 429):
        assert refused[status] in examples(document, "POST", path, status).values()


@pytest.mark.parametrize("path", PATHS)
def test_overload_and_a_failure_are_worded_as_documented(
    document: Document,
    own: Host,
    path: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = path.format(model="calories")
    application = create_application(Settings(registry=own.registry.root), own)
    exchange = Exchange(Request("POST", asked, "", {}))
    application.enter(exchange)
    application.refuse(exchange, Overloaded())
    assert exchange.response
    overloaded = json.loads(exchange.response.body)
    assert overloaded == examples(document, "POST", path, 503)["Overloaded"]
    tensors = [{"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1]}]
    body = {PATHS[0]: ROW, PATHS[1]: {"instances": [ROW]}}.get(path, {"inputs": tensors})
    failing = asking(own)
    monkeypatch.setattr(own, "models", None)  # whatever fails is worded so
    failed = failing.post(asked, json=body)
    assert failed.get_json() == examples(document, "POST", path, 500)["Unforeseen"]
    assert "failed" in caplog.text


LABELS, ROLLBACK = "/admin/models/{model}/labels/{name}", "/admin/models/{model}/rollback"


@pytest.mark.parametrize(
    ("method", "path", "name", "body", "status"),
    [
        ("PUT", LABELS, "canary", '{"version": 999}', 404),
        ("PUT", LABELS, "stable", '{"version": 1, "percent": 5}', 409),
        ("PUT", LABELS, "canary", "{", 400),
        ("PUT", LABELS, "canary", '{"version": "two"}', 422),
        ("DELETE", LABELS, "nobody", None, 404),
        ("DELETE", LABELS, "stable", None, 409),
        ("POST", ROLLBACK, "", '{"label": "stable"}', 404),
    ],
)
def test_what_administration_refuses_is_worded_as_documented(
    document: Document, own: Host, method: str, path: str, name: str, body: str, status: int
) -> None:
    client, asked = asking(own, admin_key_waived=True), path.format(model="calories", name=name)
    answer = client.open(asked, method=method, data=body, content_type="application/json")
    assert answer.status_code == status
    assert json.loads(answer.data) in examples(document, method, path, status).values()


def catalogue() -> list[tuple[int, str, str, str]]:
    """The table of docs/api.md: status, operation, example and sentence of each row."""
    text = (ROOT / "docs/api.md").read_text()
    rows = re.findall(r"^\| (\d{3}) \| `(.+?)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    return [(int(status), *told) for status, *told in rows]


def test_every_sentence_of_the_catalogue_is_the_service_s(
    document: Document, service: Client
) -> None:
    for status, operation, name, told in catalogue():
        method, path = operation.split()
        if status == 405:
            answer = json.loads(service.open(path, method=method).data)
        else:
            answer = examples(document, method, path, status)[name.replace(" ", "-")]
        assert told == answer.get("detail", answer.get("error")), (status, operation)


def test_a_real_server_answers_what_the_document_allows_and_forbids_as_it_says(
    tmp_path: Path, shipped_root: Path, document: Document
) -> None:
    """`make fuzz` asks for longer."""
    registry = shutil.copytree(shipped_root, tmp_path / "registry")  # labels are moved
    settings = {"admin_key_waived": True, "workers": 1, "registry": registry}
    with running(tmp_path, DEV_PYTHON, **settings) as server:
        found, statuses = fuzz(server.url, 4)
    assert found.failures == []
    assert found.requests > 120
    assert {200, 422} <= statuses["POST /predict"]
    assert set(statuses) == {f"{method} {path}" for method, path, _ in operations(document)}
    assert {404, 422} <= statuses["PUT /admin/models/{model}/labels/{name}"]
    assert "Traceback" not in server.output()
