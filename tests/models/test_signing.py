"""Signatures: ours and those of model-signing, each checked by the other, and none by mistake."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from models import files, signing
from models.manifest import Manifest
from models.publish import import_version, publish, sign_version, staging
from models.registry import Registry, RegistryError, Untrusted
from models.signing import signer, verifier
from tests.conftest import Keys, make_keys, openssl
from tests.models.conftest import Run

REFERENCE = """
import json, sys
from pathlib import Path
from model_signing import hashing, signing, verifying

ignoring = hashing.Config().set_ignored_paths(paths=["model.sig"])
for what, key, folder in json.loads(sys.argv[1]):
    bundle = Path(folder, "model.sig")
    try:
        if what == "sign":
            config = signing.Config().use_elliptic_key_signer(private_key=key)
            config.set_hashing_config(ignoring).sign(folder, bundle)
        else:
            verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, bundle)
        print("fine")
    except ValueError as error:
        print(str(error).replace("\\n", " "))
"""


@pytest.fixture
def signed(two: Registry, keys: Keys) -> Registry:
    """`half` with its version 1 signed; the registry asks for the signature."""
    sign_version(two, "half", 1, signer(keys.private))
    return Registry(two.root, verifier(keys.public))


def test_the_reference_verifies_what_is_signed_here_and_the_other_way_round(
    registry: Registry, shipped: Registry, tmp_path: Path
) -> None:
    pairs = [make_keys(tmp_path, curve, curve) for curve in ("P-256", "P-384", "P-521")]
    ours: dict[int, Keys] = {}
    theirs: dict[int, Keys] = {}
    for pair in pairs:
        for signed in (ours, theirs):
            sign = signer(pair.private) if signed is ours else None
            version = import_version(registry, shipped.folder("linear", 1), sign=sign).version
            signed[version] = pair
    tasks = [("verify", pair.public, registry.folder("linear", n)) for n, pair in ours.items()]
    tasks += [("sign", pair.private, registry.folder("linear", n)) for n, pair in theirs.items()]
    altered = shutil.copytree(registry.folder("linear", 1), tmp_path / "altered")
    (altered / "saved_model.pb").write_text("?")
    tasks.append(("verify", pairs[0].public, altered))
    command = [sys.executable, "-c", REFERENCE, json.dumps(tasks, default=str)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    *said, of_altered = told.stdout.splitlines()
    assert said == ["fine"] * 6
    assert "Hash mismatch" in of_altered
    for version, pair in theirs.items():
        assert Registry(registry.root, verifier(pair.public)).verify("linear", version)


Change = Callable[[Any], object]


def edited(name: str, change: Change) -> Change:
    """A change of what a JSON file of the version holds."""

    def edit(version: Path) -> None:
        held = json.loads((version / name).read_bytes())
        change(held)
        (version / name).write_text(json.dumps(held))

    return edit


def in_manifest(change: Change) -> Change:
    """As somebody changes it who can write into the registry and has no key."""
    return edited("manifest.json", change)


def in_envelope(change: Change) -> Change:
    return edited("model.sig", lambda bundle: change(bundle["dsseEnvelope"]))


def widen(version: Path) -> None:
    """Write a manifest that fits the files as well, with another range of an input."""
    in_manifest(lambda it: it["inputs"][0].update(max=1e9))(version)


CHANGES: dict[str, tuple[Change, str]] = {
    "file": (
        lambda version: (version / "weights.txt").write_text("0.6"),
        r"weights\.txt is not the file that was published",
    ),
    "manifest": (widen, r"model\.sig signs another manifest\.json: SHA-256"),
    "listed file": (
        in_manifest(lambda it: it["files"].update(extra="0" * 64)),
        r"model\.sig does not sign extra, which the version has",
    ),
    "unlisted file": (in_manifest(lambda it: it["files"].clear()), "signs another manifest"),
    "of another version": (
        lambda version: (
            shutil.copytree(version.parent / "2", version, dirs_exist_ok=True)
            and in_manifest(lambda it: it.update(version=1))(version)
        ),
        "signs another manifest",
    ),
    "cut": (
        lambda version: os.truncate(version / "model.sig", 100),
        r"model\.sig is no signature: the file: Invalid JSON",
    ),
    "large": (
        lambda version: os.truncate(version / "model.sig", files.LARGEST_TEXT + 1),
        r"model\.sig has more bytes than the 16,777,216",
    ),
    "statement": (
        in_envelope(lambda it: it.update(payload="AAAA" + it["payload"])),
        r"model\.sig was not made with the key of .*, or was altered since",
    ),
    "no signatures": (
        in_envelope(lambda it: it["signatures"].clear()),
        r"model\.sig is no signature: dsseEnvelope\.signatures: List should",
    ),
}


@pytest.mark.parametrize("changed", CHANGES)
def test_what_is_not_as_it_was_signed_is_refused(signed: Registry, changed: str) -> None:
    change, sentence = CHANGES[changed]
    change(signed.folder("half", 1))
    with pytest.raises(RegistryError, match=sentence):
        signed.verify("half", 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.update(predicateType="https://slsa.dev/provenance/v1"),
        lambda it: it.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda it: it["predicate"]["serialization"].update(method="shards"),
        lambda it: it["predicate"]["serialization"].update(hash_type="blake2b"),
        lambda it: it["predicate"]["resources"][0].update(algorithm="blake2b"),
    ],
    ids=["predicate", "type", "parts of files", "hash", "hash of one"],
)
def test_what_the_key_signed_of_anything_but_files_is_no_signature_of_them(
    signed: Registry, keys: Keys, monkeypatch: pytest.MonkeyPatch, change: Change
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


def test_a_version_is_signed_when_it_is_published_and_an_import_leaves_its_signature(
    signed: Registry, card: Manifest, keys: Keys
) -> None:
    sign = signer(keys.private)
    with staging(signed, "half") as draft:
        (draft / "weights.txt").write_text("0.5")
        publish(signed, draft, card, promote=True, sign=sign)
    import_version(signed, signed.folder("half", 3))
    import_version(signed, signed.folder("half", 3), sign=sign)
    assert signed.verify("half", 3)
    assert signed.verify("half", 5)
    with pytest.raises(Untrusted, match="half/4 is not signed"):
        signed.verify("half", 4)


def test_a_damaged_version_is_not_signed(two: Registry, keys: Keys) -> None:
    (two.folder("half", 1) / "weights.txt").write_text("0.6")
    with pytest.raises(RegistryError, match="is not the file that was published"):
        sign_version(two, "half", 1, signer(keys.private))
    assert not (two.folder("half", 1) / "model.sig").exists()


def exchanging(registry: Registry, exchange: Callable[[Path], object]) -> Registry:
    """The registry, where somebody exchanges a manifest the moment it has been read."""
    described = registry.described

    def exchanged(model: str, version: int) -> tuple[Manifest, str]:
        found = described(model, version)
        exchange(registry.folder(model, version))
        return found

    registry.described = exchanged  # type: ignore[method-assign]
    return registry


def test_a_manifest_that_is_exchanged_while_a_version_is_signed_is_not_what_is_signed(
    two: Registry, keys: Keys
) -> None:
    sign_version(exchanging(Registry(two.root), widen), "half", 1, signer(keys.private))
    two.verify("half", 1)
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        Registry(two.root, verifier(keys.public)).verify("half", 1)


def test_a_manifest_that_was_not_signed_when_it_was_read_is_refused(signed: Registry) -> None:
    manifest = signed.folder("half", 1) / "manifest.json"
    right = manifest.read_bytes()
    widen(manifest.parent)
    with pytest.raises(Untrusted, match=r"signs another manifest\.json"):
        exchanging(signed, lambda _: manifest.write_bytes(right)).verify("half", 1)
    assert manifest.read_bytes() == right


def rsa(folder: Path) -> Keys:
    keys = Keys(folder / "rsa.pem", folder / "rsa.pub.pem")
    openssl("genpkey", "-algorithm", "RSA", "-out", keys.private)
    openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
    return keys


def written(content: bytes) -> Callable[[Path], Keys]:
    def write(folder: Path) -> Keys:
        (folder / "key.pem").write_bytes(content)
        return Keys(folder / "key.pem", folder / "key.pem")

    return write


def locked(folder: Path) -> Keys:
    keys = make_keys(folder, "key", "P-256")
    path = folder / "locked.pem"
    openssl("pkey", "-in", keys.private, "-aes256", "-passout", "pass:word", "-out", path)
    return Keys(path, path)


def swapped(folder: Path) -> Keys:
    keys = make_keys(folder, "key", "P-256")
    return Keys(private=keys.public, public=keys.private)


@pytest.mark.parametrize(
    "make",
    [
        rsa,
        lambda folder: make_keys(folder, "key", "secp256k1"),
        lambda folder: make_keys(folder, "key", "SM2"),  # which cryptography does not know
        swapped,
        locked,
        written(b"-----BEGIN PRIVATE KEY-----\n"),
        written(b"\xff\xfe"),
        lambda folder: Keys(folder / "nowhere.pem", folder / "nowhere.pem"),
    ],
    ids=["RSA", "secp256k1", "SM2", "swapped", "locked", "cut", "no PEM", "missing"],
)
def test_what_is_no_key_to_use_is_told(tmp_path: Path, make: Callable[[Path], Keys]) -> None:
    keys = make(tmp_path)
    for use, path in ((signer, keys.private), (verifier, keys.public)):
        with pytest.raises(RegistryError, match=f"{path} holds no key to use: expected a PEM file"):
            use(path)


def test_the_command_signs_and_verifies(two: Registry, keys: Keys, run: Run) -> None:
    verify = f"verify half 1 --public-key {keys.public}"
    code, said = run(verify)
    assert code == 1
    assert re.search(r"half/1 is not signed: it has no model\.sig; .*'python -m models sign'", said)
    folder = two.folder("half", 1)
    folder.chmod(0o555)  # a version that its owner set to read-only can be signed and stays so
    assert run(f"sign half 1 --private-key {keys.private}") == (0, "half: version 1 is signed\n")
    assert folder.stat().st_mode & 0o777 == 0o555
    code, said = run(verify)
    assert code == 0
    assert "half 1: 1 files match the manifest and are signed by" in said
