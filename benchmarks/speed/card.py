"""Training on a CUDA card: images a second, agreement of recorded steps and cohorts, and where a step's time goes.

`python benchmarks/speed/card.py > figures.jsonl`, one object a line as soon as it is known; needs torch and what
training imports, neither Ray nor Optuna nor plotly. `--parts speed,agree,step` picks; about a minute each, most of it
Triton compiling. On a CPU it runs the first two, to see that it does.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import torch

from kpbench.cell import Scalar
from kpbench.engine.evaluate import Ready, Staged, known_parameters, prepare
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.studies.course_loop import course_epochs
from kpbench.task.benchmark import read_benchmark
from kpbench.training.device import Device, find_device
from kpbench.training.fit import Setting, fit_together, training_defaults, training_of
from kpbench.training.member import Member
from kpbench.training.recipe import make_optimizer
from kpbench.training.recorded import Recorded, step_of
from kpbench.training.seeds import global_seed
from kpbench.training.weights import Weights

Cell = Mapping[str, Scalar]

YARDSTICK: Cell = {"family": "cnn", "network.depth": 4, "network.norm": "spatial_batch"}
KEYPOINT: Cell = {"family": "keypoint_net"}

TRAIN, VAL = 1536, 298

SPEEDS: Sequence[tuple[Cell, int, str, bool]] = (
    *((YARDSTICK, seeds, "bf16", True) for seeds in (1, 4, 8, 16, 32)),
    (YARDSTICK, 1, "bf16", False),
    (YARDSTICK, 1, "fp32", True),
    (YARDSTICK, 16, "fp32", True),
    ({**YARDSTICK, "training.batch_size": 128}, 1, "bf16", True),
    *(({**YARDSTICK, "network.depth": 5}, seeds, "bf16", True) for seeds in (1, 16)),
    *(({**YARDSTICK, "network.norm": n, "network.dropout": "standard"}, 16, "bf16", True) for n in ("none", "batch")),
    *((KEYPOINT, seeds, "bf16", True) for seeds in (1, 8)),
)
"""Cell, seeds, precision and whether the step is recorded."""

AGREE: Mapping[str, Cell] = {
    **{
        f"{norm}, dropout {dropout}": {"network.norm": norm, "network.dropout": dropout}
        for norm in ("none", "batch", "spatial_batch")
        for dropout in ("none", "standard", "spatial")
    },
    "looks": {"training.blur": 0.5, "training.cutout": 0.5, "training.gamma": 0.2, "training.strong_until": 0.5},
    "muon, ema": {"training.optimizer": "muon", "training.ema": 0.9, "training.schedule": "flat_cosine"},
    "sgd": {"training.optimizer": "sgd", "training.lr": 0.05},
    "mlp": {"family": "mlp", "network.dropout": "standard"},
    "softargmax": {"family": "keypoint_net", "network.head": "softargmax", "network.depth": 3},
    "simcc": {"family": "keypoint_net", "network.head": "simcc", "network.depth": 3},
}


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def ready_of(n: int, val: int, device: Device) -> Ready:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n + val, 1, 96, 96), dtype=np.uint8)
    points = rng.uniform(0, 96, (n + val, 15, 2)).astype(np.float32)
    arrays = images[:n], points[:n], images[n:], points[n:]
    return prepare(Staged(*arrays, read_benchmark().coordinates, "", "", device))


def train(cell: Cell, seeds: Sequence[int], ready: Ready, epochs: int, *, record: bool = True) -> list[Any]:
    whole = complete({"family": "cnn", **cell}, known_parameters())
    networks = []
    for seed in seeds:
        with global_seed(seed, "weights"):
            networks.append(build(whole).to(ready.staged.device.torch))
    setting = Setting(epochs, 0, ready.staged.device, record=record)
    return list(fit_together(networks, ready.train, ready.val, setting, seeds, **training_of(whole)))


def speed(device: Device) -> None:
    """Images a second of an epoch of 1,536 faces with its validation, the last of three; and of a course's loop."""
    loop = course_epochs(512, device.torch)
    next(loop)
    begun = time.perf_counter()
    next(loop)
    say(course_loop=512 / (time.perf_counter() - begun))
    for cell, seeds, precision, record in SPEEDS:
        ready = ready_of(TRAIN, VAL, replace(device, precision=precision))
        seconds = sum(one.seconds for one in train(cell, range(seeds), ready, 3, record=record)[-1])
        what = {"cell": cell, "seeds": seeds, "precision": precision, "recorded": record}
        say(**what, images_a_second=TRAIN * seeds / seconds, epoch_seconds=seconds)


def agree(device: Device) -> None:
    """Greatest relative difference of an MSE over two seeds and three epochs: a run again, recorded, in a cohort."""
    ready = ready_of(250, 32, device)

    def numbers(*seeds: int, record: bool) -> Any:
        found = train({"network.depth": 3, **cell}, seeds, ready, 3, record=record)
        return np.array([[(one.train_mse, one.val_mse) for one in members] for members in found])

    for name, small in AGREE.items():
        cell = small if "family" in small else {"network.width": 8, "network.dropout_rate": 0.3, **small}
        if cell.get("family") == "mlp":
            cell = {"network.depth": 2, **cell}
        plain = np.concatenate([numbers(seed, record=False) for seed in (0, 1)], axis=1)
        others = {
            "again": np.concatenate([numbers(seed, record=False) for seed in (0, 1)], axis=1),
            "recorded": np.concatenate([numbers(seed, record=True) for seed in (0, 1)], axis=1),
            "cohort": numbers(0, 1, record=True),
        }
        say(agree=name, **{way: float(np.abs(other / plain - 1).max()) for way, other in others.items()})


def step(device: Device) -> None:
    """Microseconds on the card of a copy, of a recorded step and its kernels, and of the optimiser."""
    here = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    there = torch.empty_like(here)
    say(copy_terabytes_a_second=2 * (1 << 30) / microseconds(lambda: there.copy_(here)) / 1e6)
    ready, cell = ready_of(TRAIN, 2, device), complete(YARDSTICK, known_parameters())
    recipe = {**training_of(training_defaults()), **training_of(cell)}
    for seeds in (1, 16):
        networks = [build(cell).cuda().to(memory_format=torch.channels_last) for _ in range(seeds)]  # type: ignore[call-overload]
        trained = [weight for network in networks for weight in network.parameters()]
        cast = torch.bfloat16 if device.precision == "bf16" else None
        weights = Weights(trained, weight_decay=0.01, spare_norms=False, joined=True, cast=cast)
        copies = map(weights.working, networks)
        members = [
            Member(one, seed, ready.train, device, recipe, working)
            for seed, (one, working) in enumerate(zip(networks, copies, strict=True))
        ]
        batches = torch.stack([member.begin(1, weak=False) for member in members])[:, :32]
        recorded = step_of(members, weights, device)
        assert isinstance(recorded, Recorded)
        optimizer = make_optimizer("adamw", weights.groups, lr=1e-3)
        for _ in range(4):
            recorded(batches)
        once = partial(recorded, batches)
        times = {"step": microseconds(once), "optimizer": microseconds(optimizer.step)}
        say(seeds=seeds, microseconds=times, kernels=kernels(once) if seeds == 1 else None)


def microseconds(run: Any, times: int = 20) -> float:
    run()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(times):
        run()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / times * 1e3


def kernels(run: Any, times: int = 5) -> list[tuple[str, float, int]]:
    """The kernels that take most: name, microseconds a step, how many a step."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiled:
        for _ in range(times):
            run()
        torch.cuda.synchronize()
    most = sorted(profiled.key_averages(), key=lambda one: -one.self_device_time_total)[:24]
    return [(one.key[:90], round(one.self_device_time_total / times, 1), one.count // times) for one in most]


PARTS = {"speed": speed, "agree": agree, "step": step}


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--device", default="cuda")
    words.add_argument("--parts", default=",".join(PARTS))
    asked = words.parse_args()
    device = find_device(asked.device)
    say(date=datetime.now(UTC).date().isoformat(), device=device.title, torch=torch.__version__)
    for part in asked.parts.split(","):
        PARTS[part](device)


if __name__ == "__main__":
    main()
