"""What a study may take of a machine or a cluster: workers, and CPUs and cards for each."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kpbench.errors import UsageError

HEADROOM = 0.9
"""Share of a card's memory that trials are given; fragments take the rest."""

CONTEXT = 600_000_000
"""Bytes that a process takes on a card before its first tensor."""

Node = Mapping[str, float]
"""Resources of a node as Ray counts them: `CPU`, `GPU`."""


@dataclass(frozen=True)
class Resources:
    """What a person asked for.

    Attributes:
        workers: trials at once; 0 trains in this process, None as many as there is room for.
        cpus: CPUs, and so threads, of a trial.
        gpus: cards of a trial, a part of one below 1; None measures a step's memory where training is on a card.
        address: of a running Ray cluster, `auto` or `HOST:PORT`; None starts Ray on this machine.
        any_version: also use nodes with another kpbench or torch; their rows say so.
        trial_timeout: seconds after which a trial is ended; None never.
    """

    workers: int | None = None
    cpus: int = 1
    gpus: float | None = None
    address: str | None = None
    any_version: bool = False
    trial_timeout: float | None = None

    def __post_init__(self) -> None:
        """Refuses what can never be.

        Raises:
            UsageError: a number out of range, or options that exclude each other.
        """
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"--workers must be auto, 0 or more, got {self.workers}")
        if self.cpus < 1:
            raise UsageError(f"--cpus-per-trial must be at least 1, got {self.cpus}")
        if self.address is None and self.cpus > own_cpus():
            raise UsageError(f"--cpus-per-trial {self.cpus}: this machine has {own_cpus()}; lower it")
        if self.gpus is not None and (self.gpus < 0 or (self.gpus > 1 and self.gpus != int(self.gpus))):
            raise UsageError(f"--gpus-per-trial must be auto, a part of one card or whole cards, got {self.gpus:g}")
        if self.workers == 0 and self.address is not None:
            raise UsageError("--workers 0 trains in this process; leave it out to use the cluster at --address")
        if self.workers == 0 and self.trial_timeout is not None:
            raise UsageError("--trial-timeout ends a worker's process; it needs --workers 1 or more")
        if self.address not in (None, "auto") and not re.fullmatch(r"[^/:\s]+:\d{1,5}", str(self.address)):
            way = "; run kpbench on a node of the cluster, or with `ray job submit`" * str(self.address).startswith(
                "ray:"
            )
            raise UsageError(f"--address must be auto or HOST:PORT of the cluster's head, got '{self.address}'{way}")

    @property
    def here(self) -> int:
        """Workers on this machine."""
        return max(1, own_cpus() // self.cpus) if self.workers is None else self.workers


def own_cpus() -> int:
    """CPUs that this process may use: those it may run on, and no more than a container's quota of their time."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return there if quota is None else max(1, min(there, int(quota)))


def cpu_quota(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> float | None:
    """CPUs that the container may take in time, by its cgroup (v2, else v1) and those above it; None without a limit.

    `sched_getaffinity` does not know of it: `docker run --cpus 2` shows every core.
    """
    found = []
    with suppress(OSError, ValueError, StopIteration):
        path = next(line[3:].strip("/\n") for line in own.open() if line.startswith("0::"))
        for place in (root / path, *(root / path).parents):
            if place == root.parent:
                break
            with suppress(OSError, ValueError):
                most, period = (place / "cpu.max").read_text().split()
                found.append(float(most) / float(period))
    with suppress(OSError, ValueError):
        most, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        found += [float(most) / float(period)] if float(most) > 0 else []
    return min(found, default=None)


def room(nodes: Sequence[Node], cpus: int, gpus: float) -> int:
    """How many trials the nodes hold at once; a trial lies on one node, and a part of a card on one card."""
    return sum(min(int(node.get("CPU", 0) // cpus), _on_cards(int(node.get("GPU", 0)), gpus)) for node in nodes)


def _on_cards(cards: int, gpus: float) -> int:
    if not gpus:
        return 2**31
    return cards * int(1 / gpus + 1e-9) if gpus <= 1 else cards // int(gpus)


def fitting(asked: Resources, nodes: Sequence[Node], gpus: float) -> int:
    """Trials at once on these nodes: as many as asked for, or as there is room for.

    Raises:
        UsageError: not one trial fits a node, or more workers are asked for than ever fit.
    """
    most = room(nodes, asked.cpus, gpus)
    largest = max(nodes, key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)), default={})
    if most == 0:
        raise UsageError(
            f"no node of the cluster holds a trial of {asked.cpus} CPU(s) and {gpus:g} card(s): the largest of "
            f"{len(nodes)} has {largest.get('CPU', 0):g} and {largest.get('GPU', 0):g}; "
            "lower --cpus-per-trial or --gpus-per-trial"
        )
    if asked.workers is not None and asked.workers > most:
        raise UsageError(f"the cluster holds {most} trials at once and --workers asks for {asked.workers}; lower it")
    return most if asked.workers is None else asked.workers


def share_of_card(step: int, card: int) -> float:
    """The part of a card of `card` bytes that a trial needs whose step takes `step` bytes: one of a whole number."""
    return 1 / max(1, int(card * HEADROOM // (step + CONTEXT)))
