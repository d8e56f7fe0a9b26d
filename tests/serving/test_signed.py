"""The service trusts what a key signed, if it is told to, and says what it refuses."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
from tests.servers import DEV_PYTHON, ROOT, SERVICE_PYTHON, free_port, run

MODEL = "calories"


@pytest.fixture
def shelf(registry: Registry, shipped: Registry, keys: Keys) -> Registry:
    """Version 1 of `calories`, signed."""
    import_version(registry, shipped.folder(MODEL, 1), sign=signer(keys.private))
    return registry


@pytest.fixture
def host(shelf: Registry, keys: Keys) -> Host:
    return create_host(Settings(registry=shelf.root, public_key=keys.public))


def unsigned(_: Registry, __: Path) -> Sign | None:
    return None


def with_another_key(_: Registry, folder: Path) -> Sign:
    return signer(make_keys(folder, "other", "P-256").private)


def with_the_signature_of_version_1(registry: Registry, _: Path) -> Sign:
    signature = (registry.folder(MODEL, 1) / SIGNATURE).read_bytes()
    return lambda *_: signature


@pytest.mark.parametrize(
    ("wrongly", "sentence"),
    [
        (unsigned, "calories/2 is not signed"),
        (with_another_key, r"model\.sig was not made with the key of .*, or was altered since"),
        (with_the_signature_of_version_1, r"model\.sig signs another manifest\.json: SHA-256"),
    ],
)
def test_what_is_not_signed_rightly_leaves_the_signed_one_serving_until_it_is(
    host: Host,
    shelf: Registry,
    shipped: Registry,
    keys: Keys,
    tmp_path: Path,
    wrongly: Callable[[Registry, Path], Sign | None],
    sentence: str,
) -> None:
    import_version(shelf, shipped.folder(MODEL, 1), sign=wrongly(shelf, tmp_path))
    host.refresh()
    assert host.find(MODEL).version == 1
    with pytest.raises(NotLoaded, match=sentence):
        host.find(MODEL, version=2)
    assert shelf.labels(MODEL)["stable"] == 2
    sign_version(shelf, MODEL, 2, signer(keys.private))
    host.refresh()
    assert host.find(MODEL).version == 2


def test_without_a_public_key_no_signature_is_needed_and_signing_loads_nothing_anew(
    shelf: Registry, shipped: Registry, keys: Keys
) -> None:
    import_version(shelf, shipped.folder(MODEL, 1))
    host = create_host(Settings(registry=shelf.root))
    before = host.find(MODEL)
    assert before.version == 2
    sign_version(shelf, MODEL, 2, signer(keys.private))
    host.refresh()
    assert host.find(MODEL) is before


INSTALL = "pip install --require-hashes -r requirements/signing.txt"


def test_a_service_that_cannot_check_signatures_does_not_start_and_says_why(
    keys: Keys, tmp_path: Path
) -> None:
    for python, key, sentence in (
        (DEV_PYTHON, tmp_path / "nowhere.pem", "nowhere.pem holds no key to use"),
        (SERVICE_PYTHON, keys.public, INSTALL),  # which has no cryptography
    ):
        environment = {**os.environ, "PORT": str(free_port()), "PUBLIC_KEY": str(key)}
        command = [python, "-m", "service"]
        ended = finished(command, check=False, timeout=60, cwd=ROOT, env=environment)
        assert ended.returncode == 1
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


def test_without_cryptography_the_commands_say_what_to_install_and_all_else_works(
    shelf: Registry, keys: Keys
) -> None:
    verify = ("-m", "models", "--registry", shelf.root, "verify")
    assert "files match the manifest" in run(SERVICE_PYTHON, *verify).stdout
    refused = run(SERVICE_PYTHON, *verify, "--public-key", keys.public, check=False)
    assert refused.returncode == 1
    needed = "Signatures need cryptography, which is not installed here"
    assert refused.stderr == f"models: {needed}: {INSTALL}.\n"


def test_a_batch_asks_for_the_signature_and_again_where_blocks_are_scored(
    shelf: Registry,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def score(out: str) -> int:
        where = ["--registry", str(shelf.root), "--public-key", str(keys.public)]
        return batch.main([str(tmp_path / "in"), str(tmp_path / out), *where])

    def unsigning(work: Work, todo: Sequence[Block]) -> Iterator[Block]:
        (shelf.folder(MODEL, 1) / SIGNATURE).unlink()
        return folder.here(work, todo)

    (tmp_path / "in").mkdir()
    table = pa.table({name: [1.0] for name in ("sugar", "fiber", "protein")})
    pq.write_table(table, tmp_path / "in" / "a.parquet")
    assert score("signed") == 0
    monkeypatch.setattr(batch, "_runner", lambda _: unsigning)
    assert score("unsigned while scored") == 1
    assert "calories/1 is not signed" in capsys.readouterr().err
    monkeypatch.undo()
    assert score("unsigned before") == 1
    assert "calories/1 is not signed" in capsys.readouterr().err
