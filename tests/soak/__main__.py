"""python -m tests.soak [--minutes 10 | --faults]: its long form."""

import argparse
import sys

from tests.long_form import shelf, verdict
from tests.soak.faults import Faults, faults
from tests.soak.run import Findings, Plan, soak


def main() -> int:
    """Print what was found; returns 1 when it was not as promised."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="of changes (default: 10)")
    parser.add_argument("--faults", action="store_true", help="each fault ten times, instead")
    options = parser.parse_args()
    with shelf() as shipped:
        folder = shipped.root.with_name("soak")
        folder.mkdir()
        if options.faults:
            found: Faults | Findings = faults(folder, shipped, rounds=10)
        else:
            found = soak(folder, shipped, Plan(options.minutes, changing=60, quiet=6))
    print(found)
    return verdict(found.broken())


if __name__ == "__main__":
    sys.exit(main())
