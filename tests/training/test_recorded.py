"""On a card a recorded step has the numbers of the same step started kernel by kernel, alone and in a cohort."""

import pytest
import torch

from kpbench.engine.evaluate import Staged, known_parameters, prepare
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training.device import find_device
from kpbench.training.fit import Setting, fit_together, training_of
from kpbench.training.recorded import drawing_from
from kpbench.training.seeds import global_seed

on_a_card = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card on this machine")


@pytest.fixture(scope="module")
def ready(course):
    splits = load(str(course), val_share=0.15, test_share=0.15, seed=0)
    arrays = splits.train.images, splits.train.keypoints, splits.val.images, splits.val.keypoints
    return prepare(Staged(*arrays, read_benchmark().coordinates, "b", splits.digest(), find_device("auto")))


def numbers(cell, seeds, ready, *, record):
    networks = []
    for seed in seeds:
        with global_seed(seed, "weights"):
            networks.append(build(cell).to(ready.staged.device.torch))
    setting = Setting(4, 0, ready.staged.device, record=record)
    found = fit_together(networks, ready.train, ready.val, setting, seeds, **training_of(cell))
    return torch.tensor([[(one.train_mse, one.val_mse) for one in members] for members in found])


@on_a_card
@pytest.mark.parametrize(
    "params",
    [
        *({"network.norm": norm, "network.dropout": "standard"} for norm in ("none", "batch", "spatial_batch")),
        {"network.dropout": "spatial", "training.optimizer": "muon", "training.ema": 0.9},
        {"training.blur": 0.5, "training.cutout": 0.5, "training.gamma": 0.2, "training.strong_until": 0.5},
        {"family": "mlp", "training.batch_size": 8, "training.optimizer": "sgd", "training.lr": 0.01},
    ],
    ids=lambda params: " ".join(map(str, params.values())),
)
def test_a_recorded_step_has_the_same_numbers(ready, params):
    cell = complete({"family": "cnn", "network.depth": 3, "training.batch_size": 8, **params}, known_parameters())
    alone = [numbers(cell, (seed,), ready, record=False) for seed in (0, 1)]
    assert torch.equal(
        torch.cat(alone, 1), torch.cat([numbers(cell, (seed,), ready, record=True) for seed in (0, 1)], 1)
    )
    assert torch.equal(torch.cat(alone, 1), numbers(cell, (0, 1), ready, record=True))


def test_members_draw_from_their_own_state_and_leave_the_global_one():
    device = find_device("auto").torch
    mine, other = (torch.Generator(device).manual_seed(seed) for seed in (1, 2))
    wanted = torch.rand(8, device=device, generator=torch.Generator(device).manual_seed(1))
    with global_seed(5, "dropout"):
        first = torch.rand(3, device=device)
    with global_seed(5, "dropout"):
        found = []
        for count in (4, 4):
            with drawing_from(mine, alone=False):
                found.append(torch.rand(count, device=device))
            with drawing_from(other, alone=False):
                torch.rand(5, device=device)
        assert torch.equal(torch.rand(3, device=device), first)
    if device.type == "cpu":  # a card draws by fours: a call begins at a place of its own
        assert torch.equal(torch.cat(found), wanted)
    else:
        assert torch.equal(found[0], wanted[:4]) and not torch.equal(found[1], found[0])
