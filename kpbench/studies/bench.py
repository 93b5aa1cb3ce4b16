"""`kpbench bench`: the speed of training on this machine, as ratios between things run in turn."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from kpbench.cell import Scalar
from kpbench.engine.evaluate import Ready, Staged, as_cohort, known_parameters, prepare, side_by_side
from kpbench.engine.jobs import Job
from kpbench.errors import UsageError
from kpbench.faces.faces import KEYPOINTS, SIZE
from kpbench.networks.families import build
from kpbench.networks.fused import AVAILABLE, run_plain
from kpbench.space.space import complete
from kpbench.studies.course_loop import course_epochs
from kpbench.task.benchmark import read_benchmark
from kpbench.training.device import Device, find_device, threads
from kpbench.training.fit import Setting, fit, training_of

FACES = 256
"""Faces of an epoch that is timed; random pixels, for no time depends on what they show."""

CELL: Mapping[str, Scalar] = {"family": "cnn", "network.depth": 4, "network.norm": "spatial_batch"}

CARD_FACES = 1024
"""On a card, where an epoch of fewer is over before it can be timed."""

COHORTS = {"cpu": (), "cuda": (4, 16), "mps": ()}
"""How many seeds are trained together; elsewhere a cohort is its members in turn."""

BATCHES = (16, 64, 128)

Epochs = Iterator[object]


@dataclass(frozen=True)
class Ratio:
    """How many times as fast `what` is as `against`: the median over rounds, the smallest and the greatest of them.

    Attributes:
        images, against_images: images a second of each side, medians.
    """

    what: str
    against: str
    median: float
    low: float
    high: float
    images: float
    against_images: float


@dataclass(frozen=True, eq=False)
class Side:
    """What is timed: epochs of training without end, and how many images one of them trains on."""

    name: str
    begin: Callable[[], Epochs]
    images: int

    def rate(self, clock: Callable[[], float]) -> float:
        """Images a second of the second epoch: the first pays for what is compiled and allocated."""
        epochs = self.begin()
        next(epochs)
        start = clock()
        next(epochs)
        return self.images / (clock() - start)


def bench(device: str = "auto", *, rounds: int = 5) -> Iterator[Ratio]:
    """The ratios for this machine, each from `rounds` rounds in which both sides run in turn, on one thread.

    On a CPU by processor time, so that other work beside it counts little; on an accelerator by the clock on the wall.

    Raises:
        UsageError: an unknown device, or fewer than one round.
    """
    if rounds < 1:
        raise UsageError(f"--rounds must be at least 1, got {rounds}")
    where = find_device(device)
    with threads():
        for one, other in _pairs(where):
            yield compared(one, other, rounds, time.process_time if where.kind == "cpu" else time.perf_counter)


def compared(one: Side, other: Side, rounds: int, clock: Callable[[], float] = time.perf_counter) -> Ratio:
    """The ratio of two rates over rounds in which both run in turn."""
    pairs = [(one.rate(clock), other.rate(clock)) for _ in range(rounds)]
    ratios = [a / b for a, b in pairs]
    images, against = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Ratio(one.name, other.name, statistics.median(ratios), min(ratios), max(ratios), images, against)


def _pairs(where: Device) -> Iterator[tuple[Side, Side]]:
    ready = _ready(where)
    fp32 = replace(ready, staged=replace(ready.staged, device=replace(where, precision="fp32")))
    n = len(ready.train.images)
    course = Side("a course's loop", lambda: course_epochs(n, where.torch), n)
    step = _training("training", CELL, ready)
    yield replace(step, name=f"training, {where.precision}"), course
    if where.precision != "fp32":
        yield _training("training, fp32", CELL, fp32), course
    yield step, Side("its convolutions alone", lambda: _convolutions(where, n), n)
    if where.kind == "cuda":
        yield step, _training("its kernels started one by one", CELL, ready, record=False)
    if AVAILABLE.get(where.kind, False):
        for norm in ("none", "batch", "spatial_batch"):
            cell = {**CELL, "network.norm": norm}
            yield (
                _training(f"fused block, norm {norm}", cell, ready),
                _training("its layers one by one", cell, ready, plain=True),
            )
    for size in BATCHES:
        yield (
            _training(f"batches of {size}", {**CELL, "training.batch_size": size}, ready),
            replace(step, name="batches of 32"),
        )
    for size in COHORTS[where.kind]:
        yield _seeds("a cohort", size, as_cohort, ready), _seeds("one by one", size, side_by_side, ready)


def _whole(cell: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return complete(cell, known_parameters())


def _training(name: str, cell: Mapping[str, Scalar], ready: Ready, *, plain: bool = False, record: bool = True) -> Side:
    """Epochs of `fit`: augmentation, steps, and a validation of two faces."""
    whole, device = _whole(cell), ready.staged.device

    def begin() -> Epochs:
        network = build(whole).to(device.torch)
        network = run_plain(network) if plain else network
        return fit(network, ready.train, ready.val, Setting(3, 0, device, record=record), **training_of(whole))

    return Side(name, begin, len(ready.train.images))


def _seeds(name: str, n: int, train: Callable[[Job, Ready], Epochs], ready: Ready) -> Side:
    job = Job(number=0, role="ablation", params=_whole(CELL), seeds=tuple(range(n)), budget=3)
    return Side(f"{n} seeds, {name}", lambda: train(job, ready), n * len(ready.train.images))


def _ready(where: Device) -> Ready:
    rng, n = np.random.default_rng(0), CARD_FACES if where.kind == "cuda" else FACES
    images = rng.integers(0, 256, (n + 2, 1, SIZE, SIZE), dtype=np.uint8)
    points = rng.uniform(0, SIZE, (n + 2, len(KEYPOINTS), 2)).astype(np.float32)
    arrays = images[:n], points[:n], images[n:], points[n:]
    return prepare(Staged(*arrays, read_benchmark().coordinates, "", "", where))


def _convolutions(where: Device, n: int) -> Epochs:
    """The convolutions of the cell, forward and backward, on maps of their size: what no other layer can take away."""
    network = build(_whole(CELL))
    convolutions = [m.to(where.torch) for m in network.modules() if isinstance(m, nn.Conv2d)]
    dtype = torch.bfloat16 if where.precision == "bf16" else torch.float32
    maps, size, batch = [], SIZE, 32
    for one in convolutions:
        one.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.rand(batch, one.in_channels, size, size, device=where.torch, dtype=dtype)
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_(one.in_channels > 1)
        maps.append((x, torch.ones_like(one(x))))
        size //= 2
    while True:
        for _ in range(n // batch):
            for one, (x, gradient) in zip(convolutions, maps, strict=True):
                one(x).backward(gradient)
        if where.kind == "cuda":
            torch.cuda.synchronize()
        yield None
