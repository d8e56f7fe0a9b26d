"""python -m tests.overload: the long form, four minutes.

The load comes from the same machine as the answers: its figures are for comparing with each other.
Ends with 1 when what docs/reliability.md promises was not kept.
"""

import argparse
import sys

from tests.long_form import shelf, verdict
from tests.overload.measure import measure


def main() -> int:
    """Print what was found, and which promises were not kept; 1 if any."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="of overload (default: 120)")
    options = parser.parse_args()
    with shelf() as registry:
        found = measure(registry.root.parent, registry.root, options.seconds)
    print(found, flush=True)
    return verdict(found.broken())


if __name__ == "__main__":
    sys.exit(main())
