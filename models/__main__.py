"""python -m models: look at the registry, check and sign it, move its labels.

A model is a program: who loads one runs what it says. `verify` finds a version that was damaged or
altered; with --public-key also one that somebody else made (docs/trust.md).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from models.compare import lacking
from models.labels import STABLE, Place
from models.manifest import Manifest
from models.numbers import decimal_argument, whole_argument
from models.publish import Sign, import_version, prune, sign_version
from models.registry import LAST_VERSION, Registry, RegistryError, usual


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 refused with a sentence."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(Registry(options.registry), options) or 0)
    except (RegistryError, ValidationError, OSError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1


def _list(registry: Registry, _: argparse.Namespace) -> int:
    """A line a version; one that cannot be read hides no other."""
    failures = 0
    for model, version in [(m, v) for m in registry.models() for v in registry.versions(m)]:
        try:
            print(_line(registry, model, version))
        except RegistryError as error:
            failures += 1
            print(f"{model} {version}: {error}", file=sys.stderr)
    return 1 if failures else 0


def _line(registry: Registry, model: str, version: int) -> str:
    places = sorted(registry.placed(model).items())
    named = " ".join(_named(label, at) for label, at in places if at.version == version)
    manifest = registry.manifest(model, version)
    made = manifest.architecture.name if manifest.architecture else "made elsewhere"
    what, when = f"{made:<14} {_score(manifest):<18}", f"{manifest.created:%Y-%m-%d %H:%M}"
    return f"{model:<12} {version:>3}  {what} {when}  {named}".rstrip()


def _score(manifest: Manifest) -> str:
    if manifest.evaluation is None:
        return "not measured"
    unit = manifest.output.unit.split(" ")[0]
    return f"{manifest.evaluation.model.mean_absolute_error:6.2f} {unit}"


def _named(label: str, at: Place) -> str:
    return label if at.percent is None else f"{label}({at.percent:g}%)"


def _show(registry: Registry, options: argparse.Namespace) -> None:
    version = options.version or registry.labelled(options.model, STABLE)
    print(registry.manifest(options.model, version).model_dump_json(indent=2))


def _verify(registry: Registry, options: argparse.Namespace) -> int:
    failures, signed = 0, ""
    if options.public_key:
        from models.signing import verifier  # noqa: PLC0415  needs cryptography

        registry = Registry(registry.root, verifier(options.public_key))
        signed = f" and are signed by the key of {options.public_key}"
    for model in [options.model] if options.model else registry.models():
        registry.latest(model)
        for version in [options.version] if options.version else registry.versions(model):
            try:
                files = len(registry.verify(model, version).files)
                print(f"{model} {version}: {files} files match the manifest{signed}")
            except RegistryError as error:
                failures += 1
                print(f"{model} {version}: {error}", file=sys.stderr)
    return 1 if failures else 0


def _sign(registry: Registry, options: argparse.Namespace) -> None:
    version = options.version or registry.labelled(options.model, STABLE)
    sign_version(registry, options.model, version, _signer(options.private_key))
    print(f"{options.model}: version {version} is signed")


def _signer(private_key: Path) -> Sign:
    from models.signing import signer  # noqa: PLC0415  needs cryptography

    return signer(private_key)


def _label(registry: Registry, options: argparse.Namespace) -> None:
    registry.set_label(options.model, options.label, options.version, options.percent)
    print(f"{options.model}: {options.label} is {Place(options.version, options.percent)}")


def _unlabel(registry: Registry, options: argparse.Namespace) -> None:
    registry.remove_label(options.model, options.label)
    print(f"{options.model}: {options.label} is removed")


def _rollback(registry: Registry, options: argparse.Namespace) -> None:
    version = registry.rollback(options.model, options.label)
    print(f"{options.model}: {options.label} is version {version} again")


def _prune(registry: Registry, options: argparse.Namespace) -> None:
    doomed = prune(registry, options.model, options.keep)
    print(f"{options.model}: removed {', '.join(map(str, doomed)) or 'nothing'}")


def _compare(registry: Registry, options: argparse.Namespace) -> None:
    missing = list(lacking(registry, Registry(options.folder)))
    for model, version in missing:
        folder = options.folder / model / str(version)
        print(f"{model}: {folder} is not in {registry.root}; 'import {folder}' publishes it")
    if not missing:
        print(f"{registry.root} has every version of {options.folder}")


def _import(registry: Registry, options: argparse.Namespace) -> None:
    sign = _signer(options.sign) if options.sign else None
    manifest = import_version(registry, options.folder, promote=not options.no_promote, sign=sign)
    print(f"{manifest.model}: published as version {manifest.version}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    parser.add_argument(
        "--registry", type=Path, default=usual(), metavar="DIR", help="$REGISTRY, else models/"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    command("list", _list, "every version, its held-out error, its age and its labels")
    show = command("show", _show, "the manifest of a version (default: stable)")
    verify = command("verify", _verify, "check files against their manifests")
    sign = command("sign", _sign, "sign a version (default: stable) that you trust")
    label = command("label", _label, "point a label at a version")
    unlabel = command("unlabel", _unlabel, "take a label away, and its share of the requests")
    rollback = command("rollback", _rollback, "move a label back to where it was before")
    pruned = command("prune", _prune, "delete old versions that no label names")
    compared = command("compare", _compare, "tell which versions of another registry are not here")
    imported = command("import", _import, "publish a copy of a version's folder from elsewhere")

    for each in (show, sign, label, unlabel, rollback, pruned):
        each.add_argument("model")
    verify.add_argument("model", nargs="?", help="default: all")
    number = whole_argument(1, LAST_VERSION)
    for each in (show, verify, sign):
        each.add_argument("version", type=number, nargs="?")
    verify.add_argument("--public-key", type=Path, metavar="PEM", help="check signatures, too")
    sign.add_argument("--private-key", type=Path, metavar="PEM", required=True, help="an ECDSA key")
    imported.add_argument("--sign", type=Path, metavar="PEM", help="sign it with this private key")
    label.add_argument("label")
    label.add_argument("version", type=number)
    label.add_argument(
        "--percent",
        type=decimal_argument(),
        help="the share of stable's requests it takes (default: none)",
    )
    unlabel.add_argument("label")
    rollback.add_argument("label", nargs="?", default=STABLE)
    pruned.add_argument(
        "--keep", type=number, default=5, help="newest versions to keep (default: 5)"
    )
    compared.add_argument("folder", type=Path, help="such as OTHER")
    imported.add_argument("folder", type=Path, help="such as OTHER/NAME/2")
    imported.add_argument("--no-promote", action="store_true", help="leave stable where it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
