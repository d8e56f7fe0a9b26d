"""python benchmarks/scale/cluster.py NODES: a Ray cluster of one-core nodes, on loopback.

It runs in the environment that has Ray, prints the cluster's address, and then obeys its standard
input: `kill` ends the node that was added last as a power cut would; the end of the input ends
the cluster.
"""

import os
import sys

from ray.cluster_utils import Cluster

NODE = {
    "num_cpus": 1,
    "object_store_memory": 100 * 1024 * 1024,
    "include_dashboard": False,
    "node_ip_address": "127.0.0.1",
}


def main() -> None:
    """Hold the cluster until the input ends."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    added = [cluster.add_node(**NODE) for _ in range(int(sys.argv[1]) - 1)]
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "kill":
            cluster.remove_node(added.pop(), allow_graceful=False)
            print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
