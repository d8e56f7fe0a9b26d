"""The short form of the fuzz: the same requests every time, to both servers."""

from collections.abc import Iterator

import pytest

from tests.fuzz.asked import ASKED
from tests.fuzz.run import SHAPE, Fuzzer, fuzz
from tests.fuzz.targets import CORPUS, check, targets
from tests.serving import DEV_PYTHON, Server, running


@pytest.fixture(scope="module", params=["gunicorn", "granian"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shipped_root: object
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fuzz")
    # The development environment has pyarrow, so that Arrow is spoken.
    with running(
        folder, DEV_PYTHON, workers=2, registry=shipped_root, server=request.param
    ) as server:
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
