"""The short form of the fuzz: the same requests every time, to both servers."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.asked import ASKED
from tests.fuzz.run import SHAPE, Fuzzer, fuzz
from tests.fuzz.targets import CORPUS, check, targets
from tests.serving import DEV_PYTHON, Server, running


@pytest.fixture(scope="module", params=["gunicorn", "granian"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    registry = shutil.copytree(shipped_root, folder / "registry")  # its own: labels are moved
    settings = {"workers": 2, "registry": registry, "server": request.param}
    # The development environment has pyarrow, so that Arrow is spoken.
    with running(folder, DEV_PYTHON, admin_key_waived=True, **settings) as server:
        workers = server.workers()
        yield server
        assert server.workers() == workers
        assert "Traceback" not in server.output()


@pytest.mark.parametrize("name", [*ASKED, SHAPE])
def test_bad_input_gets_one_proper_refusal(server: Server, name: str) -> None:
    with Fuzzer(server) as fuzzer:
        found = fuzz(fuzzer, name, 120)
    assert found.failures == []
    assert found.requests >= 50
    assert len(found.statuses) > 1


def test_what_atheris_found_worth_keeping_is_answered() -> None:
    for name, target in targets().items():
        kept = sorted((CORPUS / name).iterdir())
        assert kept, name
        for path in kept:
            check(target, path.read_bytes())
