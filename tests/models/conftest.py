"""A registry of two versions, and its commands."""

from collections.abc import Callable

import pytest

from models.__main__ import main
from models.registry import Registry
from tests.conftest import Publish

Run = Callable[[str], tuple[int, str]]


@pytest.fixture
def two(registry: Registry, publish_text: Publish) -> Registry:
    """`half` with versions 1 and 2, the second stable."""
    publish_text()
    publish_text()
    return registry


@pytest.fixture
def run(two: Registry, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command of `python -m models`; gives its exit code and all that it said.

    {one} in it is the folder of version 1.
    """

    def run(command: str) -> tuple[int, str]:
        words = command.format(one=two.root / "half" / "1").split()
        code = main(["--registry", str(two.root), *words])
        return code, "".join(capsys.readouterr())

    return run
