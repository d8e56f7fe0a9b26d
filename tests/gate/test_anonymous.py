"""Where there are keys, who shows none learns nothing of what is served."""

import json
import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.manifest import MANIFEST, ROWS, TWIN
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings
from tests.fuzz.doors import DIGESTS, PREDICT
from tests.servers import ROOT

MODEL, LABEL, SOURCE = "zircon", "midnight", "the vault"
INPUTS = {"sugar": "sodalite", "fiber": "feldspar", "protein": "garnet"}
PAGES = ROOT / "service" / "pages"


def apart(text: str, whole: str = "?") -> str:
    """With names and numbers that stand nowhere else; larger ones stay larger, shares below 1.

    Where `whole` is empty, whole numbers stay as they are, which count something.
    """
    number = re.compile(rf'(?<![\w".=])\d+(?:\.\d+(?:e-\d+)?){whole}(?![\w".])')
    text = number.sub(lambda it: str(round(float(it[0]) * 0.9773191 + 0.0021377, 7)), text)
    return re.sub("|".join(INPUTS), lambda it: INPUTS[it[0]], text)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Registry:
    """A model that cannot be mistaken for anything that ships."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    folder = registry.root / MODEL / "1"
    shutil.copytree(shipped.folder("linear", 1), folder)
    header, *rows = (folder / ROWS).read_text().splitlines()
    told = [
        re.sub(r"^([^,]+)(.*)", lambda it: f"secret_{it[1]}{apart(it[2])}", row) for row in rows
    ]
    (folder / ROWS).write_text("\n".join([apart(header), *told, ""]))
    manifest = json.loads((folder / MANIFEST).read_text())
    for part in ("inputs", "evaluation"):
        manifest[part] = json.loads(apart(json.dumps(manifest[part]), whole=""))
    manifest["architecture"]["inputs"] = [*INPUTS.values()]
    manifest["model"], manifest["data"]["source"] = MODEL, SOURCE
    manifest["files"][ROWS] = sha256((folder / ROWS).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    for label in ("stable", LABEL):
        registry.set_label(MODEL, label, 1, None)
    return registry


@pytest.fixture(scope="module")
def secrets(registry: Registry) -> set[str]:
    """Every name, number and digest of the model that stands nowhere else."""
    folder = registry.folder(MODEL, 1)
    text = (folder / MANIFEST).read_text() + (folder / ROWS).read_text()
    found = re.findall(r"\d+\.\d{5,}|\b[0-9a-f]{64}\b|secret_[^,]+", text)
    return {MODEL, LABEL, SOURCE, *INPUTS.values(), *found}


def serving(registry: Registry, **keys: str) -> FlaskClient:
    settings = Settings(registry=registry.root, default_model=MODEL, **keys)  # type: ignore[arg-type]
    return create_app(settings, create_host(settings)).test_client()


def shown(client: FlaskClient, path: str) -> TestResponse:
    return client.get(path, headers={"X-API-Key": PREDICT})


def leaks(answer: TestResponse, secrets: set[str]) -> set[str]:
    text = (
        f"{answer.status} {answer.headers} ".lower() + answer.get_data().decode("latin-1").lower()
    )
    return {secret for secret in secrets if secret.lower() in text}


def asked(client: FlaskClient) -> Iterator[tuple[str, str]]:
    """Method and path of every operation and file, also of what is not there."""
    files = [path for path in (PAGES / "static").rglob("*") if path.is_file()]
    yield from (("GET", f"/{path.relative_to(PAGES)}") for path in files)
    for path, methods in shown(client, "/openapi.json").json["paths"].items():  # type: ignore[index]
        for model, label in ((MODEL, LABEL), ("bread", "nobody")):
            known = {"model": model, "name": model, "version": 1, "label": label, "file": "docs.js"}
            for method in {*map(str.upper, methods), "HEAD", "OPTIONS", "DELETE"}:
                yield method, path.format(**known)


def test_no_answer_without_a_key_tells_of_a_model(registry: Registry, secrets: set[str]) -> None:
    client, told, times = serving(registry, **DIGESTS), {}, 0
    for method, path in asked(client):
        for body in (None, {}, dict.fromkeys(INPUTS.values(), 1)):
            times += 1
            answer = client.open(path, method=method, json=body)
            if found := leaks(answer, {it for it in secrets if it not in path}):
                told[method, path] = sorted(found)[:5]
            answer.close()
    assert times > 500
    assert told == {}


def test_with_a_key_all_of_it_is_told(registry: Registry, secrets: set[str]) -> None:
    client = serving(registry, **DIGESTS)
    paths = ("/models", f"/models/{MODEL}/1", f"/models/{MODEL}/1/training", "/openapi.json")
    assert set().union(*(leaks(shown(client, path), secrets) for path in paths)) == secrets
    assert len(secrets) > 150


def test_who_shows_no_key_is_not_told_why_nothing_answers(
    tmp_path: Path, registry: Registry, secrets: set[str]
) -> None:
    broken = Registry(shutil.copytree(registry.root, tmp_path / "broken"))
    (broken.folder(MODEL, 1) / TWIN).write_bytes(b"no model")
    client = serving(broken, **DIGESTS)
    for path in ("/readyz", "/v2/health/ready", "/", "/docs"):
        answer = client.get(path)
        assert answer.status_code == (503 if "read" in path else 200)
        assert leaks(answer, secrets | {str(broken.root), TWIN}) == set()
    assert TWIN in shown(client, "/models").text


def test_without_keys_the_page_has_its_first_question_in_it(registry: Registry) -> None:
    client = serving(registry)
    page = client.get("/").text
    assert all(name in page for name in (MODEL, *INPUTS.values()))
    assert client.get("/openapi.json").status_code == 200
