"""python -m tests.soak [--minutes 10 | --faults]: its long form."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from models.registry import SHELF
from tests.soak.changes import SOURCES
from tests.soak.faults import faults, kept, table
from tests.soak.run import Plan, soak


def main() -> int:
    """Print what was found; returns 1 when it was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="of changes (default: 10)")
    parser.add_argument("--faults", action="store_true", help="each fault ten times, instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shipped = Path(folder) / "shipped"
        for model in SOURCES:
            shutil.copytree(SHELF / model / "1", shipped / model / "1")
        if options.faults:
            found, _ = faults(Path(folder), shipped, rounds=10)
            print(table(found))
            broken = [each.fault for each in found if not kept(each)]
            for fault in broken:
                print(f"{fault}: more was lost than promised.", file=sys.stderr)
            return 1 if broken else 0
        plan = Plan(rounds=options.minutes, changing=60, quiet=6)
        soaked = soak(Path(folder), shipped, plan)
    print(soaked)
    not_kept = soaked.broken()
    for promise in not_kept:
        print(f"It was not so that {promise}.", file=sys.stderr)
    return 1 if not_kept else 0


if __name__ == "__main__":
    sys.exit(main())
