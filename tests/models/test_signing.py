"""Signatures: ours and those of model-signing, each checked by the other, and none by mistake."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from models import files, signing
from models.__main__ import main
from models.manifest import Manifest
from models.publish import import_version, publish, sign_version, staging
from models.registry import Registry, RegistryError, Untrusted
from models.signing import signer, verifier
from tests.conftest import Keys, Publish, make_keys, openssl
from tests.servers import ROOT

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
    registry: Registry, shipped: Registry, tmp_path: Path, curve: str
) -> None:
    keys = make_keys(tmp_path, "key", curve)
    import_version(registry, shipped.folder("linear-unit", 1), sign=signer(keys.private))
    verified = reference("verify", keys.public, registry.folder("linear-unit", 1))
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


def swell(version: Path) -> None:
    os.truncate(version / "model.sig", files.LARGEST_TEXT + 1)


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
        (swell, r"model\.sig has more bytes than the 16,777,216"),
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


def of_something_else(statement: dict[str, Any]) -> None:
    statement["predicateType"] = "https://slsa.dev/provenance/v1"


def of_another_kind(statement: dict[str, Any]) -> None:
    statement["_type"] = "https://in-toto.io/Statement/v0.1"


def of_parts_of_files(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["method"] = "shards"


def by_another_hash(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["hash_type"] = "blake2b"


def of_one_by_another_hash(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["algorithm"] = "blake2b"


@pytest.mark.parametrize(
    "change",
    [
        of_something_else,
        of_another_kind,
        of_parts_of_files,
        by_another_hash,
        of_one_by_another_hash,
    ],
)
def test_what_the_key_signed_of_anything_but_files_is_no_signature_of_them(
    signed: Registry,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], None],
) -> None:
    statement = signing._statement

    def changed(name: str, digests: Mapping[str, str]) -> dict[str, object]:
        stated = statement(name, digests)
        change(stated)
        return stated

    monkeypatch.setattr(signing, "_statement", changed)
    sign_version(signed, "half", 1, signer(keys.private))
    with pytest.raises(Untrusted, match=r"model\.sig signs something else than files: "):
        signed.verify("half", 1)


def test_a_signature_of_a_file_that_the_version_lacks_is_refused(
    signed: Registry, keys: Keys
) -> None:
    sign = signer(keys.private)
    more = {"extra": "0" * 64}
    sign_version(signed, "half", 1, lambda name, digests: sign(name, {**digests, **more}))
    with pytest.raises(Untrusted, match=r"signs extra, which the version does not have"):
        signed.verify("half", 1)


def test_another_key_is_refused(signed: Registry, tmp_path: Path) -> None:
    other = make_keys(tmp_path, "other", "P-256")
    with pytest.raises(Untrusted, match=r"was not made with the key of .*other\.pub\.pem"):
        Registry(signed.root, verifier(other.public)).verify("half", 1)


def test_a_signed_version_under_another_number_is_refused(signed: Registry) -> None:
    signed.folder("half", 1).rename(signed.root / "half" / "2")
    with pytest.raises(RegistryError, match="describes another version than half 2"):
        signed.verify("half", 2)


def test_a_signed_version_under_another_models_name_is_refused(signed: Registry) -> None:
    (signed.root / "half").rename(signed.root / "whole")
    with pytest.raises(RegistryError, match="describes another version than whole 1"):
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


def swapped(registry: Registry, exchange: Callable[[Path], object]) -> Registry:
    """The registry, where somebody exchanges a manifest the moment it has been read."""
    described = registry.described

    def exchanged(model: str, version: int) -> tuple[Manifest, str]:
        found = described(model, version)
        exchange(registry.folder(model, version))
        return found

    registry.described = exchanged  # type: ignore[method-assign]
    return registry


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
    sign_version(swapped(Registry(registry.root), widen), "half", 1, signer(keys.private))
    registry.verify("half", 1)
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        Registry(registry.root, verifier(keys.public)).verify("half", 1)


def test_a_manifest_that_was_not_signed_when_it_was_read_is_refused(signed: Registry) -> None:
    manifest = signed.folder("half", 1) / "manifest.json"
    right = manifest.read_bytes()
    widen(manifest.parent)
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        swapped(signed, lambda _: manifest.write_bytes(right)).verify("half", 1)
    assert manifest.read_bytes() == right


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


def rsa(folder: Path) -> Keys:
    keys = Keys(folder / "rsa.pem", folder / "rsa.pub.pem")
    openssl("genpkey", "-algorithm", "RSA", "-out", keys.private)
    openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
    return keys


@pytest.mark.parametrize(
    "make",
    [
        rsa,
        lambda folder: make_keys(folder, "key", "secp256k1"),
        lambda folder: make_keys(folder, "key", "SM2"),  # which cryptography does not know
    ],
    ids=["RSA", "secp256k1", "SM2"],
)
def test_a_key_of_another_kind_is_refused(tmp_path: Path, make: Callable[[Path], Keys]) -> None:
    keys = make(tmp_path)
    for use, path in ((signer, keys.private), (verifier, keys.public)):
        with pytest.raises(RegistryError, match="expected a PEM file with an ECDSA key on P-256"):
            use(path)


def test_a_locked_key_is_refused(keys: Keys, tmp_path: Path) -> None:
    locked = tmp_path / "locked.pem"
    openssl("pkey", "-in", keys.private, "-aes256", "-passout", "pass:word", "-out", locked)
    with pytest.raises(RegistryError, match=r"unencrypted, private \(Password was not given"):
        signer(locked)


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
