"""Signatures in OpenSSF's model-signing format. The only file here that imports cryptography.

`model.sig` in a version is a Sigstore bundle: a DSSE envelope, signed with an ECDSA key, around an
in-toto statement that names the SHA-256 of every other file. The manifest is among those and
names model and version, so a signature holds for one version of one model. Whatever reads
the format (https://github.com/sigstore/model-transparency, 1.0) can check what is signed here.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from models import files
from models.errors import RegistryError, Untrusted
from models.manifest import SIGNATURE
from models.publish import Sign
from models.registry import CheckSignature

try:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )
except ModuleNotFoundError as error:
    raise RegistryError(
        "Signatures need cryptography, which is not installed here: "
        "pip install --require-hashes -r requirements/signing.txt."
    ) from error

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}
UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm)  # of a key's file


class Part(BaseModel):
    """A part of a bundle or its statement; what else the format has is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True)


class Signature(Part):
    """Made with the one key there is; the format allows a name for it, unused here."""

    sig: Base64Bytes


class Envelope(Part):
    """DSSE: https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md."""

    payload: Base64Bytes
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: list[Signature] = Field(min_length=1, max_length=1)


class Bundle(Part):
    """What model.sig holds."""

    media_type: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    dsse_envelope: Envelope


class Resource(BaseModel):
    """A file and its digest."""

    name: str
    algorithm: Literal["sha256"]
    digest: str


class Serialization(BaseModel):
    """How the files were digested; whole ones are what a manifest can be held against."""

    method: Literal["files"]
    hash_type: Literal["sha256"]


class Predicate(BaseModel):
    """What is said of the files."""

    serialization: Serialization
    resources: list[Resource]


class Statement(Part):
    """in-toto's envelope around it."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: Predicate


def signer(private_key: Path) -> Sign:
    """Signs with the ECDSA key (P-256, P-384 or P-521) in a PEM file.

    Raises RegistryError when the file holds no such key.
    """
    key = _private_key(private_key)

    def sign(name: str, digests: Mapping[str, str]) -> bytes:
        payload = json.dumps(_statement(name, digests)).encode()
        signature = key.sign(_authenticated(payload), ec.ECDSA(_hash(key.curve)))
        return json.dumps(_bundle(payload, signature, key.public_key())).encode()

    return sign


def verifier(public_key: Path) -> CheckSignature:
    """Checks signatures with the public ECDSA key in a PEM file.

    Raises RegistryError when the file holds no such key.
    """
    key = _public_key(public_key)

    def check(path: Path, digests: Mapping[str, str]) -> None:
        envelope = _read(path).dsse_envelope
        signed, payload = envelope.signatures[0].sig, envelope.payload
        try:
            key.verify(signed, _authenticated(payload), ec.ECDSA(_hash(key.curve)))
        except InvalidSignature as error:
            raise Untrusted(
                f"{path} was not made with the key of {public_key}, or was altered since."
            ) from error
        _compare(path, _listed(path, payload), digests)

    return check


def _statement(name: str, digests: Mapping[str, str]) -> dict[str, object]:
    ordered = sorted(digests, key=PurePosixPath)
    whole = hashlib.sha256(b"".join(bytes.fromhex(digests[name]) for name in ordered))
    resources = [{"name": n, "algorithm": "sha256", "digest": digests[n]} for n in ordered]
    serialization = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": [SIGNATURE],
    }
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": whole.hexdigest()}}],
        "predicateType": PREDICATE,
        "predicate": {"serialization": serialization, "resources": resources},
    }


def _bundle(payload: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> dict[str, object]:
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(pem).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }


def _authenticated(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: the bytes that are signed."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD), PAYLOAD.encode(), len(payload), payload)


def _read(path: Path) -> Bundle:
    try:
        return Bundle.model_validate_json(files.read(path, files.LARGEST_TEXT))
    except FileNotFoundError as error:
        raise Untrusted(
            f"{path.parent} is not signed: it has no {SIGNATURE}; whoever trusts the version signs "
            "it with 'python -m models sign'."
        ) from error
    except ValidationError as error:
        raise Untrusted(f"{path} is no signature: {_first(error)}.") from error


def _listed(path: Path, payload: bytes) -> dict[str, str]:
    """The SHA-256 of each file that a statement names."""
    try:
        statement = Statement.model_validate_json(payload)
    except ValidationError as error:
        raise Untrusted(f"{path} signs something else than files: {_first(error)}.") from error
    return {each.name: each.digest for each in statement.predicate.resources}


def _compare(path: Path, signed: Mapping[str, str], found: Mapping[str, str]) -> None:
    for name in sorted(signed.keys() | found.keys()):
        if name not in signed:
            raise Untrusted(f"{path} does not sign {name}, which the version has.")
        if name not in found:
            raise Untrusted(f"{path} signs {name}, which the version does not have.")
        if signed[name] != found[name]:
            raise Untrusted(
                f"{path} signs another {name}: SHA-256 {signed[name]}, not {found[name]}."
            )


def _private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except UNREADABLE as error:
        raise _no_key(path, f"private ({error})") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in HASHES:
        raise _no_key(path, "private")
    return key


def _public_key(path: Path) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except UNREADABLE as error:
        raise _no_key(path, f"public ({error})") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in HASHES:
        raise _no_key(path, "public")
    return key


def _no_key(path: Path, kind: str) -> RegistryError:
    return RegistryError(
        f"{path} holds no key to use: expected a PEM file with an ECDSA key on P-256, P-384 or "
        f"P-521, unencrypted, {kind}; docs/trust.md has the commands that make one."
    )


def _hash(curve: ec.EllipticCurve) -> hashes.HashAlgorithm:
    return HASHES[curve.name]()


def _first(error: ValidationError) -> str:
    """The first fault of a document, without the document."""
    detail = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, detail['loc'])) or 'the file'}: {detail['msg']}"
