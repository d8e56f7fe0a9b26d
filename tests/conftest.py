"""A ladder of small real things, each standing on the one before."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser

from benchmarks.started import group
from models.manifest import (
    Architecture,
    Code,
    Data,
    Evaluation,
    Input,
    Interval,
    Manifest,
    Output,
    Score,
)
from models.publish import publish, staging
from models.registry import SHELF, Registry
from service.app import create_host
from service.serving.host import Host
from service.settings import Settings
from tests.browser import browsing
from tests.needs import (
    lack,
    need,
    pytest_terminal_summary,  # noqa: F401  pytest finds it here
)
from tests.servers import Server, running

# A busy machine takes its time, and that is no failure. Where CI is set Hypothesis would ask the
# same examples each time; the default goes on looking.
settings.register_profile("patient", settings.get_profile("default"), deadline=None)
settings.load_profile("patient")

SHIPPED = ("calories", "deep", "linear", "linear-unit")
# What takes the longest begins first: nobody waits for one of these files at the end.
LONGEST = ("project/test_walk", "pages", "training/test_training", "training", "codecs/test_bodies")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        return next((at for at, it in enumerate(LONGEST) if path.startswith(it)), len(LONGEST))

    items.sort(key=place)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry."""
    (tmp_path / "registry").mkdir()
    return Registry(tmp_path / "registry")


@pytest.fixture(scope="session")
def card() -> Manifest:
    """A manifest for a model `half` that nobody trained."""
    score = Score(mean_absolute_error=8.0, root_mean_squared_error=12.0, r2=0.5)
    return Manifest(
        model="half",
        version=1,
        architecture=Architecture(
            name="linear-unit",
            inputs=("sugar",),
            hidden=(),
            activation="linear",
            members=1,
            parameters=2,
            seed=0,
            recipe={},
            libraries={},
        ),
        inputs=(Input(name="sugar", min=0, max=15, mean=7, quantiles={"0.5": 7}),),
        output=Output(name="calories", unit="kcal"),
        interval=Interval(coverage=0.9, method="none", half_width=1),
        data=Data(source="nothing", rows=0, left_out=0, sha256="0" * 64),
        evaluation=Evaluation(folds="none", model=score, baselines={}),
        code=Code(revision="unknown", modified=False),
        created=datetime(2026, 11, 24, tzinfo=UTC),
        files={},
    )


Publish = Callable[..., int]


@pytest.fixture
def publish_text(registry: Registry, card: Manifest) -> Publish:
    """Publish a version of `half` that is one text file; gives its number."""

    def publish_text(text: str = "0.5", *, promote: bool = True) -> int:
        with staging(registry, card.model) as draft:
            (draft / "weights.txt").write_text(text)
            return publish(registry, draft, card, promote=promote)

    return publish_text


@pytest.fixture(scope="session")
def shipped_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the versions that ship, without what was trained beside them here."""
    root = tmp_path_factory.mktemp("shipped")
    for model in SHIPPED:
        shutil.copytree(SHELF / model / "1", root / model / "1")
    return root


@pytest.fixture(scope="session")
def shipped(shipped_root: Path) -> Registry:
    """The versions that ship."""
    return Registry(shipped_root)


@dataclass
class Adopted:
    """The makings of tests/makings.py, as they were made and as they were adopted."""

    made: Path
    registry: Registry


@pytest.fixture(scope="session")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Adopted:
    """Each of ADOPTED, under its name."""
    from tests import makings  # noqa: PLC0415  TensorFlow, which most tests do without

    found = Adopted(tmp_path_factory.mktemp("made"), Registry(tmp_path_factory.mktemp("adopted")))
    for name, make in makings.ADOPTED.items():
        make(found.made / name)
        makings.adopt(found.made / name, found.registry, name.partition(".")[0])
    return found


@pytest.fixture(scope="session")
def host(shipped: Registry) -> Iterator[Host]:
    """A host of the versions that ship."""
    host = create_host(Settings(registry=shipped.root))
    yield host
    host.close()


@pytest.fixture(scope="session")
def any_table(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """The models of tests/any_table.py."""
    from tests import any_table  # noqa: PLC0415  TensorFlow, which most tests do without

    return any_table.fill(Registry(tmp_path_factory.mktemp("any_table")))


@dataclass
class Keys:
    """A pair of keys in PEM files."""

    private: Path
    public: Path


def openssl(*arguments: str | Path) -> None:
    subprocess.run([need("openssl"), *arguments], check=True, capture_output=True)


def make_keys(folder: Path, name: str, curve: str) -> Keys:
    """The commands of docs/trust.md."""
    keys = Keys(folder / f"{name}.pem", folder / f"{name}.pub.pem")
    option = f"ec_paramgen_curve:{curve}"
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", option, "-out", keys.private)
    openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
    return keys


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The keys that sign versions."""
    return make_keys(tmp_path_factory.mktemp("keys"), "key", "P-256")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        lack(
            "the right to mount a disk is missing: run the tests as root, in a privileged container"
        )
    with group(last=f"umount --lazy {disk}"):  # in a run that is killed, too
        yield disk


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_root: Path) -> Iterator[Server]:
    """A service of what ships, as its users start it but with one worker; it is only asked."""
    with running(tmp_path_factory.mktemp("server"), workers=1, registry=shipped_root) as server:
        yield server


@pytest.fixture(scope="module")  # while it is there, no other loop can run
def browser() -> Iterator[Browser]:
    """Chromium, which takes every name below example for this machine."""
    with browsing("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        yield browser
