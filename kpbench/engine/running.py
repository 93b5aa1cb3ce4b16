"""Which engine works through a queue."""

from pathlib import Path

from kpbench.engine import inline, ray_tune
from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import Staged
from kpbench.engine.jobs import Counted
from kpbench.engine.limits import Limited, Limits


def run_queue(queue: Counted, staged: Staged, cluster: Cluster | None, limits: Limits, folder: Path) -> str | None:
    """Works through a queue: in this process without a cluster, else with its workers.

    Returns:
        The limit that ended it before the queue did, in words; None where all is done.

    Raises:
        UsageError: the disk of the study's folder is nearly full.
    """
    limited = Limited(queue, limits, folder)
    if cluster is None:
        inline.run(limited, staged)
    else:
        ray_tune.run(limited, staged, cluster)
    queue.finish()
    return limited.ended if queue.left() else None
