"""Which versions are served: all that are whole, or only those that a key signed."""

from pathlib import Path

from models.registry import Registry


def registry(root: Path, public_key: Path | None) -> Registry:
    """The registry at `root`; with a public key it verifies only what that key signed.

    Raises RegistryError when the key cannot be read, or cryptography is not installed.
    """
    if public_key is None:
        return Registry(root)
    from models.signing import verifier  # noqa: PLC0415  only for those who ask for signatures

    return Registry(root, verifier(public_key))
