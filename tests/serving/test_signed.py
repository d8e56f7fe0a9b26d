"""The service trusts what a key signed, if it is told to, and says what it refuses."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests

from benchmarks.started import finished
from models.manifest import SIGNATURE
from models.publish import Sign, import_version, sign_version
from models.registry import Registry
from models.signing import signer
from service.app import create_host
from service.batch import __main__ as batch
from service.batch import folder
from service.batch.blocks import Block, Work
from service.errors import NotLoaded
from service.serving.host import Host
from service.settings import Settings
from tests.conftest import Keys, make_keys
from tests.servers import (
    DEV_PYTHON,
    PATIENCE,
    ROOT,
    SERVICE_PYTHON,
    Server,
    await_,
    free_port,
    run,
    running,
)


@pytest.fixture
def shelf(registry: Registry, shipped: Registry, keys: Keys) -> Registry:
    """Version 1 of `calories`, signed."""
    import_version(registry, shipped.folder("calories", 1), sign=signer(keys.private))
    return registry


@pytest.fixture
def host(shelf: Registry, keys: Keys) -> Host:
    return create_host(Settings(registry=shelf.root, public_key=keys.public))


def test_a_signed_version_is_served(host: Host) -> None:
    assert host.find("calories").version == 1


def test_an_unsigned_version_leaves_the_signed_one_serving_and_says_why(
    host: Host, shelf: Registry, shipped: Registry
) -> None:
    import_version(shelf, shipped.folder("calories", 1))
    host.refresh()
    assert host.find("calories").version == 1
    with pytest.raises(NotLoaded, match="calories/2 is not signed"):
        host.find("calories", version=2)
    assert host.model("calories").versions()[2].state == "failed"


def test_a_version_that_is_signed_later_is_served(
    host: Host, shelf: Registry, shipped: Registry, keys: Keys
) -> None:
    import_version(shelf, shipped.folder("calories", 1))
    host.refresh()
    sign_version(shelf, "calories", 2, signer(keys.private))
    host.refresh()
    assert host.find("calories").version == 2


def test_signing_what_is_served_loads_nothing_anew(
    shelf: Registry, shipped: Registry, keys: Keys
) -> None:
    host = create_host(Settings(registry=shelf.root))
    before = host.find("calories")
    sign_version(shelf, "calories", 1, signer(keys.private))
    host.refresh()
    assert host.find("calories") is before


def test_without_a_public_key_no_signature_is_needed(shelf: Registry, shipped: Registry) -> None:
    import_version(shelf, shipped.folder("calories", 1))
    assert create_host(Settings(registry=shelf.root)).find("calories").version == 2


@dataclass(frozen=True)
class Trusting:
    """A service that asks for signatures, and its registry."""

    server: Server
    registry: Registry


@pytest.fixture(scope="module", params=["loop"])
def trusting(
    request: pytest.FixtureRequest,
    shipped_root: Path,
    keys: Keys,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Trusting]:
    """Version 1 of `calories` is signed, that of `deep` is not."""
    root = tmp_path_factory.mktemp("trust")
    for model in ("calories", "deep"):
        shutil.copytree(shipped_root / model, root / model)
    sign_version(Registry(root), "calories", 1, signer(keys.private))
    settings = {"registry": root, "public_key": keys.public, "workers": 1}
    with running(root, DEV_PYTHON, server=request.param, **settings) as server:
        yield Trusting(server, Registry(root))


def test_the_running_service_answers_with_what_is_signed(trusting: Trusting) -> None:
    assert trusting.server.predict().json()["version"] == 1


def test_the_running_service_refuses_what_is_not_signed(trusting: Trusting) -> None:
    refused = trusting.server.predict(query="?model=deep")
    assert refused.status_code == 503
    assert "deep/1 is not signed" in refused.json()["detail"]
    assert "deep/1 is not signed" in told(trusting.server, "deep")


def told(server: Server, model: str) -> str:
    return str(requests.get(f"{server.url}/models/{model}", timeout=PATIENCE).json())


def with_another_key(registry: Registry, folder: Path) -> Sign:
    return signer(make_keys(folder, "other", "P-256").private)


def with_the_signature_of_version_1(registry: Registry, folder: Path) -> Sign:
    signature = (registry.folder("calories", 1) / SIGNATURE).read_bytes()
    return lambda *_: signature


@pytest.mark.parametrize(
    ("wrongly", "sentence"),
    [
        (with_another_key, r"was not made with the key of .*, or was altered since"),
        (with_the_signature_of_version_1, r"signs another manifest\.json: SHA-256"),
    ],
)
def test_the_running_service_refuses_what_is_signed_wrongly_and_goes_on(
    trusting: Trusting, tmp_path: Path, wrongly: Callable[[Registry, Path], Sign], sentence: str
) -> None:
    server, registry = trusting.server, trusting.registry
    sign = wrongly(registry, tmp_path)
    version = import_version(registry, registry.folder("calories", 1), sign=sign).version
    refused = re.compile(rf"calories/{version}/model\.sig {sentence}")
    await_(lambda: bool(refused.search(told(server, "calories"))), "the version is refused")
    assert registry.labels("calories")["stable"] == version
    assert {server.predict().json()["version"] for _ in range(10)} == {1}


def start(python: Path, public_key: Path) -> str:
    """What a service that cannot start says."""
    environment = {**os.environ, "PORT": str(free_port()), "PUBLIC_KEY": str(public_key)}
    ended = finished([python, "-m", "service"], check=False, timeout=60, cwd=ROOT, env=environment)
    assert ended.returncode == 1
    return ended.stderr


def test_without_cryptography_the_service_says_what_to_install(keys: Keys) -> None:
    assert start(SERVICE_PYTHON, keys.public) == (
        "service: Signatures need cryptography, which is not installed here: "
        "pip install --require-hashes -r requirements/signing.txt.\n"
    )


def test_a_public_key_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    said = start(DEV_PYTHON, tmp_path / "nowhere.pem")
    assert "nowhere.pem holds no key to use" in said
    assert "Traceback" not in said


def test_a_batch_can_ask_for_a_signature(
    shelf: Registry, shipped: Registry, keys: Keys, tmp_path: Path
) -> None:
    table = tmp_path / "in.csv"
    table.write_text("sugar,fiber,protein\n5,1,2\n")
    where: list[str | Path] = ["--registry", shelf.root, "--public-key", keys.public]
    score = ["-m", "service.batch", table, tmp_path / "out.csv", *where]
    assert run(DEV_PYTHON, *score).returncode == 0
    import_version(shelf, shipped.folder("calories", 1))
    refused = run(DEV_PYTHON, *score, check=False)
    assert refused.returncode == 1
    assert "calories/2 is not signed" in refused.stderr


def test_a_batch_asks_for_the_signature_again_where_blocks_are_scored(
    shelf: Registry,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unsigning(work: Work, todo: Sequence[Block]) -> Iterator[Block]:
        (shelf.folder("calories", 1) / SIGNATURE).unlink()
        return folder.here(work, todo)

    monkeypatch.setattr(batch, "_engine", lambda _: unsigning)
    (tmp_path / "in").mkdir()
    table = pa.table({name: [1.0] for name in ("sugar", "fiber", "protein")})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    where = ["--registry", str(shelf.root), "--public-key", str(keys.public)]
    assert batch.main([str(tmp_path / "in"), str(tmp_path / "out"), *where]) == 1
    assert "calories/1 is not signed" in capsys.readouterr().err


def test_without_cryptography_nothing_else_is_missing(shelf: Registry) -> None:
    verified = run(SERVICE_PYTHON, "-m", "models", "--registry", shelf.root, "verify")
    assert "files match the manifest" in verified.stdout
