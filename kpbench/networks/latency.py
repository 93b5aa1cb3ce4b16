"""How long a network takes for one face, on the device where it is asked."""

from collections.abc import Callable
from time import perf_counter, thread_time

import numpy as np
import torch

from kpbench.cell import Params
from kpbench.faces.faces import SIZE
from kpbench.networks.families import build

WARM_UP, REPEATS = 5, 50
"""Passes that are not counted, for code is compiled and memory taken in the first, and passes that are."""


def latency(params: Params, device: str, *, repeats: int = REPEATS) -> tuple[float, float, float]:
    """Milliseconds of a forward pass of one face in fp32 and eval mode: median, first and third quartile.

    On a CPU it is the processor time of the calling thread, so that what runs beside it counts little; torch must
    be set to one thread. Elsewhere it is the time until the device is done.

    Raises:
        Exception: as `build`, or whatever the network raises.
    """
    clock = thread_time if device == "cpu" else _synchronised(device)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = build(params).to(device).eval()
        face = torch.rand(1, 1, SIZE, SIZE, device=device)
        seconds = []
        for _ in range(WARM_UP + repeats):
            before = clock()
            network(face)
            seconds.append(clock() - before)
    median, low, high = np.quantile(seconds[WARM_UP:], (0.5, 0.25, 0.75)) * 1000
    return float(median), float(low), float(high)


def _synchronised(device: str) -> Callable[[], float]:
    synchronize = torch.cuda.synchronize if device == "cuda" else torch.mps.synchronize

    def clock() -> float:
        synchronize()
        return perf_counter()

    return clock
