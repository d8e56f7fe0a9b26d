"""python -m tests.overload.bodies: every one of the worst bodies.

Each by itself, and what it cost the worker; then 64 clients who send some of them without a pause,
and one who asks for a row. Ends with 1 when something cost more than docs/reliability.md promises.
"""

import argparse
import sys
from operator import attrgetter

from tests.long_form import shelf, verdict
from tests.overload.cost import Watched
from tests.overload.crowd import crowd
from tests.overload.worst import worst
from tests.servers import DEV_PYTHON, running

MOST = 10  # bodies that are told, of those that cost the most


def main() -> int:
    """Print what cost the most, and what the clients met; returns 1 when a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload.bodies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of the 64 clients (default: 60)")
    options = parser.parse_args()
    with shelf() as registry:
        settings = {"workers": 1, "registry": registry.root, "admin_key_waived": True}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            watched = Watched(server)
            costs = [watched.cost(each) for each in worst()]
            for by in (attrgetter("memory"), attrgetter("seconds")):
                print(*sorted(costs, key=by, reverse=True)[:MOST], sep="\n", end="\n\n", flush=True)
            beside = crowd(server, options.seconds)
    print(beside)
    return verdict([str(each) for each in costs if not each.bearable] + beside.broken())


if __name__ == "__main__":
    sys.exit(main())
