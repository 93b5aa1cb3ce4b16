"""Which engine works through a queue."""

from kpbench.engine import inline, ray_tune
from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import Staged
from kpbench.engine.jobs import Queue


def run_queue(queue: Queue, staged: Staged, cluster: Cluster | None) -> None:
    """Works through a queue: in this process without a cluster, else with its workers."""
    if cluster is None:
        inline.run(queue, staged)
    else:
        ray_tune.run(queue, staged, cluster)
