"""python -m tests.overload: the long form, four minutes.

The load comes from the same machine as the answers: its figures are for comparing with each other.
Ends with 1 when what docs/reliability.md promises was not kept.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from models.registry import SHELF
from tests.overload.measure import measure


def main() -> int:
    """Print what was found, and which promises were not kept; 1 if any."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of overload (default: 120)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(SHELF / "calories" / "1", Path(name) / "shipped" / "calories" / "1")
        found = measure(Path(name), Path(name) / "shipped", options.seconds)
    print(found, flush=True)
    broken = found.broken()
    for told in broken:
        print(told, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
