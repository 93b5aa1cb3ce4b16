"""The scorer is the course's own, bit for bit."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from kpbench.networks.families import build
from kpbench.task.score import mean_score, score_from_mse
from kpbench.task.scorer import batched_mse, evaluate_model, official_mse
from kpbench.training.seeds import global_seed


def course_score(model, dataset):
    """The course's loop, written out."""
    model.eval()
    criterion = nn.MSELoss()
    loader = DataLoader(dataset, batch_size=1, shuffle=False)
    loss = 0.0
    for batch in loader:
        image, keypoints = batch["image"], batch["keypoints"]
        predicted_keypoints = model(image).view(-1, 15, 2)
        loss += criterion(torch.squeeze(keypoints), torch.squeeze(predicted_keypoints)).item()
    return 1.0 / (2 * (loss / len(loader)))


class Items(Dataset):
    """`n` random faces; `channels_last` shuffles how a picture lies in memory."""

    def __init__(self, n, *, seed=0, channels_last=False):
        g = torch.Generator().manual_seed(seed)
        self.images = torch.rand(n, 1, 96, 96, generator=g)
        self.keypoints = torch.rand(n, 15, 2, generator=g) * 2 - 1
        if channels_last:
            self.images = self.images.transpose(2, 3).contiguous().transpose(2, 3)
            self.keypoints = self.keypoints.transpose(1, 2).contiguous().transpose(1, 2)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return {"image": self.images[i], "keypoints": self.keypoints[i]}


class AsPoints(nn.Module):
    """Answers (N, 15, 2) instead of (N, 30)."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).view(-1, 15, 2)


def network(**params):
    with global_seed(1, "weights"):
        model = build({"family": "cnn", "network.width": 4, "network.head_width": 16, **params})
        model.train()
        model(torch.rand(8, 1, 96, 96))  # running statistics that are not their initial ones
    return model


NETWORKS = {
    "plain": {"network.norm": "none", "network.depth": 2},
    "per activation": {"network.norm": "batch", "network.depth": 3},
    "spatial": {"network.norm": "spatial_batch", "network.depth": 4},
    "standard dropout": {"network.dropout": "standard", "network.dropout_rate": 0.5},
    "spatial dropout": {"network.dropout": "spatial", "network.dropout_rate": 0.5, "network.norm": "batch"},
}


@pytest.mark.parametrize("n", [1, 7, 33])
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_course_bit_for_bit(name, n):
    model, items = network(**NETWORKS[name]), Items(n)
    assert evaluate_model(model, items) == course_score(model, items)
    assert evaluate_model(AsPoints(model), items) == course_score(model, items)


def test_equals_the_course_in_any_memory_format():
    model = network().to(memory_format=torch.channels_last)
    items = Items(9, channels_last=True)
    assert evaluate_model(model, items) == course_score(model, items)


def test_numpy_items_are_taken_as_the_course_takes_them():
    items = Items(3)
    arrays = [{k: v.numpy() for k, v in items[i].items()} for i in range(3)]
    model = network()
    assert evaluate_model(model, arrays) == course_score(model, arrays) == evaluate_model(model, items)


def test_batched_agrees_and_follows_ragged_batches():
    model, items = network(), Items(21)
    exact = official_mse(model, items)
    for batch_size in (1, 4, 256):
        fast = batched_mse(model, items.images, items.keypoints, batch_size=batch_size)
        assert fast == pytest.approx(exact, rel=1e-6)


def test_leaves_no_trace():
    model, items = network(**NETWORKS["standard dropout"]), Items(2)
    model.train()
    model[0].eval()  # a mixed state comes back as it was
    modes = [module.training for module in model.modules()]
    torch.manual_seed(5)
    state = torch.get_rng_state()
    with torch.autocast("cpu", torch.bfloat16):
        inside = evaluate_model(model, items)
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in model.modules()] == modes
    assert all(p.grad is None for p in model.parameters())
    assert inside == course_score(model, items)


def test_train_state_comes_back_after_an_error():
    model = network().train()
    with pytest.raises(ValueError, match="empty"):
        evaluate_model(model, Items(0))
    with pytest.raises(ValueError, match=r"returned shape \(1, 96, 96\)|returned shape"):
        evaluate_model(nn.Sequential(nn.Dropout(0.5), nn.Flatten()), Items(1))
    assert model.training


@pytest.mark.parametrize("outputs", [(1, 29), (1, 60), (2, 15), (30,)])
def test_another_shape_is_refused_with_its_name(outputs):
    class Wrong(nn.Module):
        def forward(self, x):
            return torch.zeros(outputs)

    with pytest.raises(ValueError, match="expected") as refusal:
        evaluate_model(Wrong(), Items(1))
    assert str(outputs) in str(refusal.value)


class Constant(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = torch.as_tensor(value, dtype=torch.float32)

    def forward(self, x):
        return self.value.expand(len(x), 30)


def test_edges_are_defined():
    items = Items(1)
    assert evaluate_model(Constant(items.keypoints.reshape(1, 30)), items) == math.inf
    assert math.isnan(evaluate_model(Constant(float("nan")), items))
    assert evaluate_model(Constant(float("inf")), items) == 0.0
    with pytest.raises(ValueError, match="empty"):
        batched_mse(network(), torch.zeros(0, 1, 96, 96), torch.zeros(0, 15, 2))


def test_the_formula_on_a_case_by_hand():
    items = Items(2)
    items.keypoints = torch.zeros(2, 15, 2)
    items.keypoints[1] = 0.3
    # MSEs 0.01 and 0.04: mean 0.025, score 20.
    assert evaluate_model(Constant(0.1), items) == pytest.approx(20.0, rel=1e-5)
    assert score_from_mse(np.float64(0.0034)) == pytest.approx(147.0588)


def test_seeds_are_averaged_as_logarithms():
    assert mean_score([0.001, 0.004]) == pytest.approx(1 / (2 * 0.002))
    assert mean_score([0.0, 0.1]) == math.inf
