"""How long a network takes for a batch of faces, on the device where it is asked."""

from collections.abc import Callable
from time import perf_counter, thread_time

import numpy as np
import torch

from kpbench.cell import Params
from kpbench.faces.faces import SIZE
from kpbench.networks.families import build

WARM_UP, REPEATS = 5, 50
"""Passes that are not counted, for code is compiled and memory taken in the first, and passes that are."""

LEAST, LONGEST = 5, 2.0
"""However slow a network is, so many passes are counted; and no new one is begun after so many seconds."""


def latency(params: Params, device: str, *, repeats: int = REPEATS, batch: int = 1) -> tuple[float, float, float]:
    """Milliseconds of a forward pass of a batch in fp32 and eval mode: median, first and third quartile.

    On a CPU with torch set to one thread it is the processor time of the calling thread, so that what runs beside it
    counts little; with several, and elsewhere, it is the time until the pass is done.

    Raises:
        Exception: as `build`, or whatever the network raises.
    """
    alone = device == "cpu" and torch.get_num_threads() == 1
    clock = thread_time if alone else perf_counter if device == "cpu" else _synchronised(device)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        network = build(params).to(device).eval()
        faces = torch.rand(batch, 1, SIZE, SIZE, device=device)
        seconds: list[float] = []
        start = perf_counter()
        while len(seconds) < WARM_UP + repeats:
            if len(seconds) >= WARM_UP + LEAST and perf_counter() - start > LONGEST:
                break
            before = clock()
            network(faces)
            seconds.append(clock() - before)
    median, low, high = np.quantile(seconds[WARM_UP:], (0.5, 0.25, 0.75)) * 1000
    return float(median), float(low), float(high)


def _synchronised(device: str) -> Callable[[], float]:
    synchronize = torch.cuda.synchronize if device == "cuda" else torch.mps.synchronize

    def clock() -> float:
        synchronize()
        return perf_counter()

    return clock
