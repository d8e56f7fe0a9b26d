"""Real servers, asked what the OpenAPI document allows and what it forbids.

`python -m tests.fuzz.schema URL` asks for longer.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.fuzz.schema import Fuzzer
from tests.servers import DEV_PYTHON, PATIENCE, Server, running

EXAMPLES = 8  # of each operation with a body, right ones and as many wrong ones


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[list[Server]]:
    """Both, with pyarrow, each with a registry of its own: labels are moved."""
    with ExitStack() as stack:
        started = []
        for kind in ("loop",):
            folder = tmp_path_factory.mktemp(kind)
            registry = shutil.copytree(shipped_root, folder / "registry")
            settings = {"server": kind, "workers": 1, "registry": registry}
            server = running(folder, DEV_PYTHON, admin_key_waived=True, **settings)
            started.append(stack.enter_context(server))
        yield started


@pytest.fixture(scope="module")
def fuzzer(servers: list[Server]) -> Fuzzer:
    fuzzer = Fuzzer([server.url for server in servers])
    fuzzer.fuzz(EXAMPLES)
    return fuzzer


def test_every_answer_is_as_the_document_says(fuzzer: Fuzzer) -> None:
    assert fuzzer.failures == []


def test_right_requests_and_wrong_ones_were_asked_of_both(
    fuzzer: Fuzzer, servers: list[Server]
) -> None:
    document = requests.get(f"{servers[0].url}/openapi.json", timeout=PATIENCE).json()
    operations = sum(map(len, document["paths"].values()))
    assert len(fuzzer.statuses) == operations
    assert fuzzer.requests > 500
    assert {200, 422} <= fuzzer.statuses["POST /predict"].keys()
    assert {404, 422} <= fuzzer.statuses["PUT /admin/models/{model}/labels/{name}"].keys()


def test_no_traceback_is_logged(fuzzer: Fuzzer, servers: list[Server]) -> None:
    for server in servers:
        assert "Traceback" not in server.output()
