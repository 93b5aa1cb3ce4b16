"""What stands on the nodes of a cluster, looked at before anything is trained there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kpbench.engine.cluster import Cluster
from kpbench.engine.evaluate import own_versions
from kpbench.errors import UsageError
from kpbench.training.device import Device
from kpbench.version import __version__

PATIENCE = 120
"""Seconds that a node has for its answer; it may have to start a process and to import torch."""


LEAST = 0.001
"""Part of a card that a node's answer takes where nobody said how much a trial does: it has to see the card."""


@dataclass(frozen=True)
class Found:
    """A node's answer: its versions by package, and the device that trains there."""

    node: str
    versions: dict[str, str]
    device: Device

    def differs(self) -> dict[str, str]:
        """The packages whose version is another than here."""
        here = own_versions()
        return {name: version for name, version in self.versions.items() if here.get(name) != version}


def check_nodes(cluster: Cluster, device: str = "auto") -> Device:
    """Asks each node that has room for a trial; returns the device on which all of them train.

    Raises:
        UsageError: a node has no kpbench, another version (unless that was allowed) or another precision than the
            first, or gives no answer; or no node has room for a trial.
    """
    asked = cluster.resources
    cards = device != "cpu" and any(node.get("GPU") for node in cluster.nodes())
    gpus = (LEAST if cards else 0.0) if asked.gpus is None else asked.gpus  # `auto` is settled once the faces are there
    cluster.workers(gpus)  # refuses what no node can hold
    answers = {}
    for node in ray.nodes():
        has = node["Resources"]
        if node["Alive"] and has.get("CPU", 0) >= asked.cpus and has.get("GPU", 0) >= gpus:
            where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            look = ray.remote(num_cpus=asked.cpus, num_gpus=gpus, max_retries=0)(_look())
            answers[node["NodeManagerAddress"], node["NodeID"]] = look.options(scheduling_strategy=where).remote(device)
    found = [_answer(address, answer) for (address, _), answer in answers.items()]
    return agreed(found, any_version=asked.any_version)


def agreed(found: Sequence[Found], *, any_version: bool) -> Device:
    """The device of all nodes.

    Raises:
        UsageError: they differ from this process, or from each other, in what the numbers depend on.
    """
    first = found[0]
    for one in found:
        if (other := one.differs()) and not any_version:
            here = own_versions()
            what = ", ".join(f"{name} {version} (here {here.get(name)})" for name, version in other.items())
            raise UsageError(f"node {one.node} has {what}; install the same there, or allow it with --any-version")
        if (one.device.kind, one.device.precision) != (first.device.kind, first.device.precision):
            raise UsageError(
                f"node {one.node} trains on {one.device.kind} in {one.device.precision} and node {first.node} on "
                f"{first.device.kind} in {first.device.precision}: their runs would not compare; use nodes of one kind"
            )
    return first.device


def _answer(address: str, answer: Any) -> Found:
    try:
        versions, device = ray.get(answer, timeout=PATIENCE)
    except GetTimeoutError:
        raise UsageError(f"node {address} gave no answer in {PATIENCE} s: it is busy, or its Ray is broken") from None
    except RayTaskError as error:
        if isinstance(error.cause, UsageError):
            raise UsageError(f"node {address}: {error.cause}") from None
        raise UsageError(
            f"node {address} cannot run kpbench ({type(error.cause).__name__}: {error.cause}); "
            f"install kpbench {__version__} there, in the Python that runs Ray"
        ) from None
    return Found(address, versions, Device(*device))


def _look() -> Callable[[str], tuple[dict[str, str], tuple[str, str, str]]]:
    """A function that travels as code, for what it looks for may not be where it goes."""

    def look(name: str) -> tuple[dict[str, str], tuple[str, str, str]]:
        from kpbench.engine.evaluate import own_versions  # noqa: PLC0415
        from kpbench.training.device import find_device  # noqa: PLC0415

        device = find_device(name)
        return own_versions(), (device.kind, device.title, device.precision)

    return look
