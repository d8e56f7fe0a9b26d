"""python -m tests.fuzz.coverage [--minutes 10]: what atheris finds by the branches that it reaches.

Runs in .venv/fuzz. Each dialect gets its share of the time in a process of its own, beginning
with its corpus; what reaches further is kept there, cut to the fewest that reach as far.
"""

import argparse
import logging
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["service"]):
    from tests.fuzz.targets import CORPUS, check, targets

LONGEST = 1500  # bytes of an input: more reach no other branch
NAMES = sorted(folder.name for folder in CORPUS.iterdir())


def main() -> int:
    """Fuzz every dialect and minimise its corpus; returns 1 when one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.coverage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="in all (default: 10)")
    parser.add_argument("--only", choices=NAMES, help="one of them")
    options = parser.parse_args()
    names = [options.only] if options.only else NAMES
    seconds = max(1, int(60 * options.minutes / len(names)))
    return max(explore(name, seconds) for name in names)


def explore(name: str, seconds: int) -> int:
    """Let libFuzzer run in another process, which it ends; gives its exit code."""
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        found, least = Path(folder) / "found", Path(folder) / "least"
        found.mkdir()
        least.mkdir()
        code = _run(name, f"-max_total_time={seconds}", f"-max_len={LONGEST}", found, kept)
        if code == 0 and _run(name, "-merge=1", least, kept, found) == 0:
            shutil.rmtree(kept)
            shutil.copytree(least, kept)
    return min(code, 1)


def _run(name: str, *arguments: str | Path) -> int:
    """Run libFuzzer in a process, which starts itself anew, by its first argument, to merge."""
    flags = ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again"
        itself = f"{sys.executable} -m tests.fuzz.coverage --in-process {name} {again}"
        again.write_text(f'#!/bin/sh\nexec {itself} "$@"\n')
        again.chmod(0o700)
        return subprocess.run([again, *flags, *map(str, arguments)], check=False).returncode


def _in_process(name: str, arguments: list[str]) -> None:
    logging.disable()
    target = targets()[name]
    atheris.Setup(arguments, lambda body: check(target, body))
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-process"]:
        _in_process(sys.argv[2], sys.argv[3:])
    sys.exit(main())
