"""python -m tests.overload.bodies: every one of the worst bodies.

Each by itself, and what it cost the worker; then 64 clients who send some of them without a pause,
and one who asks for a row. Ends with 1 when something cost more than docs/reliability.md promises.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator

from tests.long_form import shelf, verdict
from tests.overload.cost import Cost, Watched
from tests.overload.crowd import crowd
from tests.overload.worst import worst
from tests.servers import DEV_PYTHON, running


def main() -> int:
    """Print a table and a line; returns 1 when a promise was not kept, with a line for each."""
    parser = argparse.ArgumentParser(prog="python -m tests.overload.bodies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of the 64 clients (default: 60)")
    options = parser.parse_args()
    with shelf() as registry:
        settings = {"workers": 1, "registry": registry.root, "admin_key_waived": True}
        with running(registry.root.parent, DEV_PYTHON, **settings) as server:
            watched = Watched(server)
            costs = [watched.cost(each) for each in worst()]
            print(*table(costs), sep="\n", flush=True)
            beside = crowd(server, options.seconds)
    print(beside)
    return verdict([str(each) for each in costs if not each.bearable] + beside.broken())


def table(costs: list[Cost]) -> Iterator[str]:
    """A line for each path: the most memory beside a body, and the most processor time."""
    yield "| path | bodies | most memory, MB | times the body | most processor time, s |"
    yield "|---|---|---|---|---|"
    paths: dict[str, list[Cost]] = defaultdict(list)
    for each in costs:
        paths[each.worst.path].append(each)
    for path, found in paths.items():
        most = max(found, key=lambda each: each.memory)
        times, seconds = most.memory / most.size, max(each.seconds for each in found)
        yield (
            f"| `{path}` | {len(found)} | {most.memory / 1e6:.0f} | {times:.1f} | {seconds:.2f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
