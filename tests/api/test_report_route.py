"""GET /models/<model>/<version>/report: the page that training wrote, as it was published."""

import os
import shutil
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from models.files import LARGEST_TEXT
from models.manifest import REPORT
from models.publish import publish, staging
from models.registry import Registry
from service.app import create_app, create_host
from service.settings import Settings

PAGE = "<!doctype html><title>linear-unit: report</title>"


@pytest.fixture
def client(registry: Registry, shipped: Registry) -> Iterator[FlaskClient]:
    """Serves the linear unit: version 1 without a report, version 2 with one."""
    manifest = shipped.manifest("linear-unit", 1)
    for page in (None, PAGE):
        with staging(registry, "linear-unit") as draft:
            shutil.copytree(shipped.folder("linear-unit", 1), draft, dirs_exist_ok=True)
            shutil.rmtree(draft / "report", ignore_errors=True)
            if page:
                (draft / REPORT).parent.mkdir()
                (draft / REPORT).write_text(page)
            publish(registry, draft, manifest, promote=True)
    settings = Settings(registry=registry.root, default_model="linear-unit", engine="litert")
    host = create_host(settings)
    yield create_app(settings, host).test_client()
    host.close()


def test_a_version_gives_its_report(client: FlaskClient) -> None:
    response = client.get("/models/linear-unit/2/report")
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.content_type == "text/html; charset=utf-8"


def test_a_report_that_is_too_large_to_be_sent_is_refused(
    registry: Registry, shipped: Registry
) -> None:
    with staging(registry, "linear-unit") as draft:
        shutil.copytree(shipped.folder("linear-unit", 1), draft, dirs_exist_ok=True)
        (draft / REPORT).write_text(PAGE)
        os.truncate(draft / REPORT, LARGEST_TEXT + 1)
        publish(registry, draft, shipped.manifest("linear-unit", 1), promote=True)
    host = create_host(Settings(registry=registry.root, engine="litert"))
    client = create_app(Settings(registry=registry.root), host).test_client()
    answer = client.get("/models/linear-unit/1/report")
    host.close()
    assert answer.status_code == 503
    assert "has more bytes than the 16,777,216" in answer.get_json()["detail"]


def test_a_report_may_run_and_load_nothing(client: FlaskClient) -> None:
    policy = client.get("/models/linear-unit/2/report").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; ")
    assert "script-src" not in policy
    for closed in ("base-uri", "form-action", "frame-ancestors"):
        assert f"{closed} 'none'" in policy


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/models/linear-unit/1/report", "linear-unit version 1 has no report/index.html"),
        ("/models/linear-unit/9/report", "version 9 is not loaded; loaded are: 1, 2"),
        ("/models/deep/1/report", "There is no model 'deep'"),
    ],
)
def test_a_report_that_does_not_exist_is_a_problem(
    client: FlaskClient, path: str, sentence: str
) -> None:
    response = client.get(path)
    assert (response.status_code, response.content_type) == (404, "application/problem+json")
    assert sentence in response.get_json(force=True)["detail"]


def test_a_report_that_was_changed_is_not_served(client: FlaskClient, registry: Registry) -> None:
    (registry.folder("linear-unit", 2) / REPORT).write_text("changed")
    response = client.get("/models/linear-unit/2/report")
    assert response.status_code == 503
    assert "is not the file that was published" in response.get_json(force=True)["detail"]
