"""GET /models/<model>/<version>/report: the page that training wrote, as it was published."""

import os
import shutil

import pytest
from werkzeug.test import Client

from models.files import LARGEST_TEXT
from models.manifest import REPORT
from models.publish import publish, staging
from models.registry import Registry
from tests.api.conftest import Serve
from tests.dialects import refusal

PAGE = "<!doctype html><title>linear-unit: report</title>"
MODEL = "linear-unit"
REPORT_OF_2 = f"/models/{MODEL}/2/report"


@pytest.fixture
def client(registry: Registry, shipped: Registry, serve: Serve) -> Client:
    """Serves version 1 without a report, 2 with one, and 3 with one that is too large."""
    for version in (1, 2, 3):
        with staging(registry, MODEL) as draft:
            shutil.copytree(shipped.folder(MODEL, 1), draft, dirs_exist_ok=True)
            shutil.rmtree(draft / "report", ignore_errors=True)
            if version > 1:
                (draft / REPORT).parent.mkdir()
                (draft / REPORT).write_text(PAGE)
            if version == 3:
                os.truncate(draft / REPORT, LARGEST_TEXT + 1)
            publish(registry, draft, shipped.manifest(MODEL, 1), promote=True)
    return serve(default_model=MODEL, versions="all")


def test_a_version_gives_its_report_which_may_run_and_load_nothing(client: Client) -> None:
    response = client.get(REPORT_OF_2)
    assert (response.status_code, response.text) == (200, PAGE)
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:; ")
    assert "script-src" not in policy
    for closed in ("base-uri", "form-action", "frame-ancestors"):
        assert f"{closed} 'none'" in policy


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (f"{MODEL}/1", 404, "linear-unit version 1 has no report/index.html"),
        (f"{MODEL}/3", 503, "has more bytes than the 16,777,216"),
    ],
)
def test_a_report_that_cannot_be_sent_is_a_problem(
    client: Client, path: str, status: int, sentence: str
) -> None:
    assert sentence in refusal(client.get(f"/models/{path}/report"), status)


def test_a_report_that_was_changed_is_not_served(client: Client, registry: Registry) -> None:
    (registry.folder(MODEL, 2) / REPORT).write_text("changed")
    assert "is not the file that was published" in refusal(client.get(REPORT_OF_2), 503)
