"""What the long forms of the tests share: the versions that ship, and how they end."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.registry import SHELF, Registry
from tests.conftest import SHIPPED


@contextmanager
def shelf() -> Iterator[Registry]:
    """A registry of its own of what ships, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(Path(folder) / "registry")
        for model in SHIPPED:
            shutil.copytree(SHELF / model / "1", registry.root / model / "1")
        yield registry


def not_kept(promises: Mapping[str, bool]) -> list[str]:
    """The sentences of what is not so."""
    return [sentence for sentence, kept in promises.items() if not kept]


def verdict(broken: Sequence[str]) -> int:
    """Tell what was not kept; the exit code, which is 1 if anything was."""
    print(*broken, sep="\n", file=sys.stderr)
    return min(len(broken), 1)
