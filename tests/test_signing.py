"""Signatures: ours and those of model-signing, each checked by the other, and none by mistake."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from models import files
from models.__main__ import main
from models.manifest import Manifest
from models.publish import import_version, publish, sign_version, staging
from models.registry import Registry, RegistryError, Untrusted
from models.signing import signer, verifier
from tests.conftest import Keys, Publish, make_keys
from tests.serving import ROOT

REFERENCE = """
import sys
from pathlib import Path
from model_signing import hashing, signing, verifying

what, key, folder = sys.argv[1:]
bundle = Path(folder, "model.sig")
if what == "sign":
    ignoring = hashing.Config().set_ignored_paths(paths=["model.sig"])
    signing.Config().use_elliptic_key_signer(private_key=key).set_hashing_config(ignoring).sign(
        folder, bundle
    )
else:
    verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, bundle)
"""


# All that a key may be on.
CURVES = pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])


@pytest.fixture
def signed(registry: Registry, publish_text: Publish, keys: Keys) -> Registry:
    """`half` with version 1, signed; the registry asks for the signature."""
    publish_text()
    sign_version(registry, "half", 1, signer(keys.private))
    return Registry(registry.root, verifier(keys.public))


def reference(what: str, key: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", REFERENCE, what, str(key), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_signed_version_is_verified(signed: Registry) -> None:
    assert signed.verify("half", 1).version == 1


@CURVES
def test_the_reference_verifies_what_is_signed_here(
    registry: Registry, publish_text: Publish, tmp_path: Path, curve: str
) -> None:
    publish_text()
    keys = make_keys(tmp_path, "key", curve)
    sign_version(registry, "half", 1, signer(keys.private))
    verified = reference("verify", keys.public, registry.folder("half", 1))
    assert verified.returncode == 0, verified.stderr


@CURVES
def test_what_the_reference_signed_is_verified_here(
    registry: Registry, shipped: Registry, tmp_path: Path, curve: str
) -> None:
    import_version(registry, shipped.folder("linear-unit", 1))
    keys = make_keys(tmp_path, "key", curve)
    made = reference("sign", keys.private, registry.folder("linear-unit", 1))
    assert made.returncode == 0, made.stderr
    assert Registry(registry.root, verifier(keys.public)).verify("linear-unit", 1)


def test_the_reference_refuses_an_altered_file_that_was_signed_here(
    signed: Registry, keys: Keys
) -> None:
    (signed.folder("half", 1) / "weights.txt").write_text("0.6")
    assert "Hash mismatch" in reference("verify", keys.public, signed.folder("half", 1)).stderr


def alter(version: Path) -> None:
    (version / "weights.txt").write_text("0.6")


def add(version: Path) -> None:
    (version / "extra.txt").touch()


def remove(version: Path) -> None:
    (version / "weights.txt").unlink()


def alter_with_its_manifest(version: Path) -> None:
    """As somebody does who can write into the registry and has no key."""
    registry = Registry(version.parent.parent)
    manifest = registry.manifest("half", 1)
    changed = manifest.model_copy(update={"files": dict.fromkeys(manifest.files, "0" * 64)})
    (version / "manifest.json").write_text(changed.model_dump_json())


def list_more(version: Path) -> None:
    manifest = Registry(version.parent.parent).manifest("half", 1)
    changed = manifest.model_copy(update={"files": {**manifest.files, "extra": "0" * 64}})
    (version / "manifest.json").write_text(changed.model_dump_json())


def list_less(version: Path) -> None:
    manifest = Registry(version.parent.parent).manifest("half", 1)
    (version / "manifest.json").write_text(
        manifest.model_copy(update={"files": {}}).model_dump_json()
    )


def truncate(version: Path) -> None:
    bundle = version / "model.sig"
    bundle.write_bytes(bundle.read_bytes()[:-100])


def empty(version: Path) -> None:
    (version / "model.sig").write_bytes(b"")


def unsign(version: Path) -> None:
    (version / "model.sig").unlink()


def alter_statement(version: Path) -> None:
    bundle = json.loads((version / "model.sig").read_bytes())
    payload = bundle["dsseEnvelope"]["payload"]
    bundle["dsseEnvelope"]["payload"] = payload[:-8] + "AAAA" + payload[-4:]
    (version / "model.sig").write_text(json.dumps(bundle))


def drop_signatures(version: Path) -> None:
    bundle = json.loads((version / "model.sig").read_bytes())
    bundle["dsseEnvelope"]["signatures"] = []
    (version / "model.sig").write_text(json.dumps(bundle))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (alter, r"weights\.txt is not the file that was published"),
        (add, r"extra\.txt is not in the manifest"),
        (remove, r"weights\.txt is missing"),
        (alter_with_its_manifest, r"model\.sig signs another manifest\.json: SHA-256"),
        (list_more, r"model\.sig does not sign extra, which the version has"),
        (list_less, r"signs another manifest\.json"),
        (truncate, r"model\.sig is no signature: the file: Invalid JSON"),
        (empty, r"model\.sig is no signature: the file: Invalid JSON"),
        (unsign, r"half/1 is not signed: it has no model\.sig; .*'python -m models sign'"),
        (alter_statement, r"model\.sig was not made with the key of .*, or was altered since"),
        (drop_signatures, r"model\.sig is no signature: dsseEnvelope\.signatures: List should"),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(
    signed: Registry, change: Callable[[Path], None], sentence: str
) -> None:
    change(signed.folder("half", 1))
    with pytest.raises(RegistryError, match=sentence):
        signed.verify("half", 1)


def test_another_key_is_refused(signed: Registry, tmp_path: Path) -> None:
    other = make_keys(tmp_path, "other", "P-256")
    with pytest.raises(Untrusted, match=r"was not made with the key of .*other\.pub\.pem"):
        Registry(signed.root, verifier(other.public)).verify("half", 1)


def test_a_signed_version_under_another_number_is_refused(signed: Registry) -> None:
    signed.folder("half", 1).rename(signed.root / "half" / "2")
    with pytest.raises(RegistryError, match="describes half version 1, not half version 2"):
        signed.verify("half", 2)


def test_a_signed_version_under_another_models_name_is_refused(signed: Registry) -> None:
    (signed.root / "half").rename(signed.root / "whole")
    with pytest.raises(RegistryError, match="describes half version 1, not whole version 1"):
        signed.verify("whole", 1)


def test_the_signature_of_another_version_is_refused(
    signed: Registry, publish_text: Publish
) -> None:
    publish_text()
    shutil.copy(signed.folder("half", 1) / "model.sig", signed.folder("half", 2))
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        signed.verify("half", 2)


def test_publishing_can_sign_so_that_no_version_is_ever_without(
    registry: Registry, card: Manifest, keys: Keys
) -> None:
    with staging(registry, "half") as draft:
        (draft / "weights.txt").write_text("0.5")
        publish(registry, draft, card, promote=True, sign=signer(keys.private))
    assert Registry(registry.root, verifier(keys.public)).verify("half", 1)


def test_an_import_leaves_the_signature_behind_and_can_sign_anew(
    signed: Registry, keys: Keys
) -> None:
    import_version(signed, signed.folder("half", 1))
    with pytest.raises(Untrusted, match="half/2 is not signed"):
        signed.verify("half", 2)
    import_version(signed, signed.folder("half", 1), sign=signer(keys.private))
    assert signed.verify("half", 3)


def test_a_read_only_version_can_be_signed_and_stays_read_only(
    registry: Registry, publish_text: Publish, keys: Keys
) -> None:
    publish_text()
    folder = registry.folder("half", 1)
    folder.chmod(0o555)
    sign_version(registry, "half", 1, signer(keys.private))
    assert folder.stat().st_mode & 0o777 == 0o555
    assert Registry(registry.root, verifier(keys.public)).verify("half", 1)


def test_a_damaged_version_is_not_signed(
    registry: Registry, publish_text: Publish, keys: Keys
) -> None:
    publish_text()
    alter(registry.folder("half", 1))
    with pytest.raises(RegistryError, match="is not the file that was published"):
        sign_version(registry, "half", 1, signer(keys.private))
    assert not (registry.folder("half", 1) / "model.sig").exists()


class Swapped(Registry):
    """A registry in which somebody exchanges a manifest the moment it has been read."""

    def described(self, model: str, version: int) -> tuple[Manifest, str]:
        found = super().described(model, version)
        widen(self.folder(model, version))
        return found


def widen(version: Path) -> None:
    """Write a manifest that fits the files as well, with another range of an input."""
    manifest, _ = files.read_manifest(version)
    inputs = tuple(each.model_copy(update={"max": 1e9}) for each in manifest.inputs)
    changed = manifest.model_copy(update={"inputs": inputs})
    (version / "manifest.json").write_text(changed.model_dump_json())


def test_a_manifest_that_is_exchanged_while_a_version_is_signed_is_not_what_is_signed(
    registry: Registry, publish_text: Publish, keys: Keys
) -> None:
    publish_text()
    sign_version(Swapped(registry.root), "half", 1, signer(keys.private))
    registry.verify("half", 1)
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        Registry(registry.root, verifier(keys.public)).verify("half", 1)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff\xfe", None])
def test_a_key_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    for use in (signer, verifier):
        with pytest.raises(RegistryError, match=r"key\.pem holds no key to use: expected a PEM"):
            use(path)


def test_a_private_key_is_no_public_key_and_the_other_way_round(keys: Keys) -> None:
    with pytest.raises(RegistryError, match="holds no key to use"):
        signer(keys.public)
    with pytest.raises(RegistryError, match="holds no key to use"):
        verifier(keys.private)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rsa.pem"
    made: list[str | Path] = ["openssl", "genpkey", "-algorithm", "RSA", "-out", path]
    subprocess.run(made, check=True, capture_output=True)
    with pytest.raises(RegistryError, match="expected a PEM file with an ECDSA key on P-256"):
        signer(path)


def test_the_command_signs_and_verifies(
    registry: Registry, publish_text: Publish, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_text()
    where = ["--registry", str(registry.root)]
    assert main([*where, "verify", "--public-key", str(keys.public)]) == 1
    assert "half/1 is not signed" in capsys.readouterr().err
    assert main([*where, "sign", "half", "--private-key", str(keys.private)]) == 0
    assert main([*where, "verify", "--public-key", str(keys.public)]) == 0
    assert "half 1: 1 files match the manifest and are signed by" in capsys.readouterr().out
    assert main([*where, "verify"]) == 0


def test_without_cryptography_the_commands_say_what_to_install(
    signed: Registry, keys: Keys
) -> None:
    hidden = (
        "import sys; sys.modules['cryptography'] = None; from models.__main__ import main; "
        f"sys.exit(main(['--registry', {str(signed.root)!r}, 'verify', "
        f"'--public-key', {str(keys.public)!r}]))"
    )
    told = subprocess.run(
        [sys.executable, "-c", hidden], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stderr == (
        "models: Signatures need cryptography, which is not installed here: "
        "pip install --require-hashes -r requirements/signing.txt.\n"
    )
