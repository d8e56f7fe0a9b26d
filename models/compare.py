"""What another registry has and this one lacks, such as the versions of a newer release."""

from collections.abc import Iterator

from models.errors import RegistryError
from models.registry import Registry


def lacking(registry: Registry, other: Registry) -> Iterator[tuple[str, int]]:
    """Model and version of `other` for all whose files no version of that model here has.

    Numbers are not compared: an imported version has another one. What cannot be read here is
    taken as lacking.
    """
    for model in other.models():
        here = [_files(registry, model, version) for version in registry.versions(model)]
        for version in other.versions(model):
            if other.manifest(model, version).files not in here:
                yield model, version


def _files(registry: Registry, model: str, version: int) -> dict[str, str] | None:
    try:
        return registry.manifest(model, version).files
    except RegistryError:
        return None
