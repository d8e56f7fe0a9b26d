"""Where there are keys, who shows none learns nothing of what is served."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import requests

from models.manifest import MANIFEST, ROWS, TWIN
from models.registry import Registry
from tests.servers import PATIENCE, ROOT, SERVICE_PYTHON, Server, running

KEY = "calories_anonymous-0123456789"
MODEL, LABEL, SOURCE = "zircon", "midnight", "the vault"
INPUTS = {"sugar": "sodalite", "fiber": "feldspar", "protein": "garnet"}
STATIC = ROOT / "service" / "pages" / "static"


def apart(number: float) -> float:
    """A number that stands nowhere else; larger ones stay larger."""
    return round(number * 1.0173191 + 0.0021377, 7)


def told_apart(value: Any) -> Any:
    """A part of a manifest with names and numbers that stand nowhere else."""
    if isinstance(value, dict):
        return {name: told_apart(each) for name, each in value.items()}
    if isinstance(value, list):
        return [told_apart(each) for each in value]
    if isinstance(value, float):
        return apart(value)
    return INPUTS.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, shipped: Registry) -> Registry:
    """A model that cannot be mistaken for anything that ships."""
    registry = Registry(tmp_path_factory.mktemp("registry"))
    folder = registry.root / MODEL / "1"
    shutil.copytree(shipped.folder("linear", 1), folder)
    with (folder / ROWS).open() as file:
        rows = [
            {INPUTS.get(name, name): apart_cell(cell) for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]
    (folder / ROWS).write_text(table(rows))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["inputs"] = told_apart(manifest["inputs"])
    manifest["architecture"]["inputs"] = told_apart(manifest["architecture"]["inputs"])
    manifest["evaluation"] = told_apart(manifest["evaluation"])
    manifest["model"], manifest["data"]["source"] = MODEL, SOURCE
    manifest["files"][ROWS] = sha256((folder / ROWS).read_bytes()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(manifest))
    registry.set_label(MODEL, "stable", 1, None)
    registry.set_label(MODEL, LABEL, 1, None)
    return registry


def apart_cell(cell: str) -> str:
    try:
        return str(apart(float(cell)))
    except ValueError:
        return f"secret_{cell}"


def table(rows: list[dict[str, str]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture(scope="module")
def secrets(registry: Registry) -> set[str]:
    """Every name, number and digest of the model that stands nowhere else."""
    folder = registry.folder(MODEL, 1)
    text = (folder / MANIFEST).read_text() + (folder / ROWS).read_text()
    numbers = re.findall(r"\d+\.\d{5,}", text)
    digests = re.findall(r"\b[0-9a-f]{64}\b", text)
    names = re.findall(r"secret_[^,]+", text)
    return {MODEL, LABEL, SOURCE, *INPUTS.values(), *numbers, *digests, *names}


@contextmanager
def closed(folder: Path, registry: Registry, **settings: object) -> Iterator[Server]:
    keys = f"shop:{sha256(KEY.encode()).hexdigest()}"
    settings |= {"predict_keys": keys, "registry": registry.root, "default_model": MODEL}
    with running(folder, SERVICE_PYTHON, workers=1, **settings) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Iterator[Server]:
    with closed(tmp_path_factory.mktemp("anonymous"), registry) as server:
        yield server


def ask(server: Server, method: str, path: str, key: str = "", **more: Any) -> requests.Response:
    headers = {"X-API-Key": key} if key else {}
    url = server.url + path
    return requests.request(method, url, headers=headers, timeout=PATIENCE, **more)


def asked(server: Server) -> list[tuple[str, str, Any]]:
    """Method, path and body of every operation and file, also with what is not there."""
    found: list[tuple[str, str, Any]] = [("GET", f"/{path}", None) for path in files()]
    for path, methods in ask(server, "GET", "/openapi.json", KEY).json()["paths"].items():
        for model, label in ((MODEL, LABEL), ("bread", "nobody")):
            known = {"model": model, "name": model, "version": 1, "label": label, "file": "docs.js"}
            bodies = [None, {}, dict.fromkeys(INPUTS.values(), 1)]
            for method in {*map(str.upper, methods), "HEAD", "OPTIONS", "DELETE"}:
                found += [(method, path.format(**known), body) for body in bodies]
    return found


def files() -> list[str]:
    return [str(path.relative_to(STATIC.parent)) for path in STATIC.rglob("*") if path.is_file()]


def leaks(answer: requests.Response, secrets: set[str]) -> set[str]:
    text = f"{answer.reason} {answer.headers} {answer.text}".lower()
    return {secret for secret in secrets if secret.lower() in text}


def test_no_answer_without_a_key_tells_of_a_model(server: Server, secrets: set[str]) -> None:
    told = {}
    everything = asked(server)
    for method, path, body in everything:
        answer = ask(server, method, path, json=body)
        if found := leaks(answer, secrets) - {it for it in secrets if it in path}:
            told[method, path] = sorted(found)[:5]
    assert len(everything) > 500
    assert told == {}


def test_with_a_key_all_of_it_is_told(server: Server, secrets: set[str]) -> None:
    paths = ("/models", f"/models/{MODEL}/1", f"/models/{MODEL}/1/training", "/openapi.json")
    answers = [ask(server, "GET", path, KEY) for path in paths]
    assert set().union(*(leaks(answer, secrets) for answer in answers)) == secrets
    assert len(secrets) > 150


def test_who_shows_no_key_is_not_told_why_nothing_answers(
    tmp_path: Path, registry: Registry, secrets: set[str]
) -> None:
    broken = Registry(shutil.copytree(registry.root, tmp_path / "broken"))
    (broken.folder(MODEL, 1) / TWIN).write_bytes(b"no model")
    with closed(tmp_path, broken, probe="healthz") as server:
        for path in ("/readyz", "/v2/health/ready", "/", "/docs"):
            answer = ask(server, "GET", path)
            assert answer.status_code == (503 if "read" in path else 200)
            assert leaks(answer, secrets | {str(broken.root), TWIN}) == set()
        assert TWIN in ask(server, "GET", "/models", KEY).text


def test_without_keys_the_page_has_its_first_question_in_it(
    tmp_path: Path, registry: Registry
) -> None:
    with running(tmp_path, workers=1, registry=registry.root, default_model=MODEL) as server:
        page = ask(server, "GET", "/").text
        assert all(name in page for name in (MODEL, *INPUTS.values()))
        assert ask(server, "GET", "/openapi.json").status_code == 200
