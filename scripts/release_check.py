"""make release-check: may this commit be tagged? Prints what is in the way, one line each.

A release is a commit whose version (service/__init__.py) has a heading in CHANGELOG.md, whose
locks are what requirements/*.in resolve to, with nothing uncommitted, whose tag, if it has one,
says the same version, and whose actions and images are named by what cannot change (pins.py).
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from scripts import pins

ROOT = Path(__file__).parent.parent


def version(root: Path) -> str:
    """The version that the service says it is."""
    found = re.search(r'__version__ = "(.+)"', (root / "service" / "__init__.py").read_text())
    if not found:
        raise SystemExit("service/__init__.py names no __version__.")
    return found[1]


def headings(root: Path) -> Iterator[str]:
    """What is in the way in CHANGELOG.md."""
    found = re.findall(r"^## (.+)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    newest = found[0] if found else "nothing"
    if newest.split(" ")[0] != version(root):
        yield (
            f"CHANGELOG.md begins with '{newest}': expected '{version(root)}' and its date; "
            "rename the heading, or change __version__ in service/__init__.py."
        )


def tags(root: Path) -> Iterator[str]:
    """What is in the way in git's tags: one of this commit that says another version."""
    wanted = f"v{version(root)}"
    here = _git(root, "tag", "--points-at", "HEAD", "v*").split()
    if here and wanted not in here:
        yield f"this commit is tagged {', '.join(here)}: expected {wanted}."
    if not here and _git(root, "tag", "--list", wanted):
        yield f"{wanted} is another commit; choose the next version."


def changes(root: Path) -> Iterator[str]:
    """What is in the way in the work tree."""
    for line in _git(root, "status", "--porcelain").splitlines():
        yield f"{line[3:]} is not committed."


def locks(root: Path, uv: Path) -> Iterator[str]:
    """What is in the way in the locks: those that `make lock` would change."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for each in ("requirements", "benchmarks/requirements", "scripts"):
            shutil.copytree(root / each, copy / each)
        subprocess.run([str(copy / "scripts" / "lock"), str(uv)], check=True)
        for lock in sorted(root.glob("**/requirements/*.txt")):
            name = lock.relative_to(root)
            if ".venv" not in name.parts and (copy / name).read_text() != lock.read_text():
                yield f"{name} is not what its .in resolves to; run make lock."


def pinned(root: Path, given: Mapping[str, str]) -> Iterator[str]:
    """What is in the way in workflows and Dockerfiles, and in the images given for their bases."""
    for file in _git(root, "ls-files", ".github/**.yml", ".github/**.yaml").splitlines():
        yield from pins.actions(file, (root / file).read_text())
    for file in _git(root, "ls-files", "*Dockerfile*").splitlines():
        yield from pins.bases(file, (root / file).read_text(), given)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is in the way; 0 when nothing is."""
    parser = argparse.ArgumentParser(prog="release-check", description=__doc__)
    parser.add_argument("--base", action="append", default=[], metavar="ARG=IMAGE@DIGEST")
    given = dict(each.partition("=")[::2] for each in parser.parse_args(arguments).base)
    uv = ROOT / ".venv" / "uv" / "bin" / "uv"
    found = [*headings(ROOT), *tags(ROOT), *changes(ROOT), *pinned(ROOT, given), *locks(ROOT, uv)]
    for each in found:
        print(f"release-check: {each}", file=sys.stderr)
    if not found:
        print(f"Ready: git tag v{version(ROOT)} && git push --tags")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
