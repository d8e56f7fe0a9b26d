"""python -m tests.overload [SET-UP ...]: the long form, four minutes for each set-up.

The load comes from the same machine as the answers: its figures are for comparing with each other.
Ends with 1 when a set-up did not keep what docs/reliability.md promises of it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from models.registry import SHELF
from tests.overload.measure import SET_UPS, measure


def main() -> int:
    """Print what was found of each set-up, and which promises were not kept; 1 if any."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("set_ups", nargs="*", metavar="SET-UP", help=f"of: {', '.join(SET_UPS)}")
    parser.add_argument("--seconds", type=float, default=120, help="of overload (default: 120)")
    options = parser.parse_args()
    if unknown := {*options.set_ups} - {*SET_UPS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SET_UPS)}.")
    broken = []
    for set_up in options.set_ups or SET_UPS:
        with tempfile.TemporaryDirectory() as name:
            shutil.copytree(SHELF / "calories" / "1", Path(name) / "shipped" / "calories" / "1")
            found = measure(Path(name), Path(name) / "shipped", set_up, options.seconds)
        print(found, flush=True)
        broken += found.broken()
    for told in broken:
        print(told, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
