"""Training: reproducible, learns, refuses, and never writes to the data."""

import asyncio
import dataclasses
import math
from functools import partial

import numpy as np
import pytest
import torch

from kpbench.engine.evaluate import Staged, known_parameters, prepare, work
from kpbench.engine.jobs import Failure, Job
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.networks.heads import HasOwnLoss
from kpbench.space.space import LATER, complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training.device import find_device, threads
from kpbench.training.fit import DivergedError, Setting, fit, training_defaults
from kpbench.training.model_files import load_model
from kpbench.training.predict import predict
from kpbench.training.recipe import LOSSES, masked_mean

masked_mse = partial(masked_mean, LOSSES["mse"])

BENCHMARK = read_benchmark()
DEFAULTS = known_parameters()


@pytest.fixture(scope="module")
def splits(course):
    return load(str(course), val_share=0.15, test_share=0.15, seed=0)


@pytest.fixture(scope="module")
def staged(splits):
    train, val = splits.train, splits.val
    arrays = train.images, train.keypoints, val.images, val.keypoints
    return Staged(*arrays, BENCHMARK.coordinates, BENCHMARK.digest, splits.digest(), find_device("cpu"))


def job(*, seeds=(0,), epochs=2, models=None, **params):
    small = {
        "family": "cnn",
        "network.width": 4,
        "network.depth": 3,
        "network.head_width": 16,
        "training.batch_size": 8,
    }
    cell = complete({**small, **params}, DEFAULTS)
    return Job(number=0, role="trial", params=cell, seeds=seeds, budget=epochs, models=models)


def curves(job, ready):
    """val and train MSE by seed and epoch, times left out."""
    return [[(r.train_mse, r.val_mse) for r in progress.seeds] for progress in work(job, ready)]


@pytest.mark.parametrize("dropout", ["none", "standard", "spatial"])
def test_the_same_seed_gives_the_same_numbers_whatever_runs_beside_it(staged, dropout):
    ready = prepare(staged)
    one = job(**{"network.dropout": dropout})
    alone = curves(one, ready)
    disturbed = []
    for progress in work(one, ready):
        torch.manual_seed(123)  # someone else draws from the global state between epochs
        torch.rand(7)
        disturbed.append([(r.train_mse, r.val_mse) for r in progress.seeds])
    assert disturbed == alone
    both = curves(job(seeds=(1, 0), **{"network.dropout": dropout}), ready)  # beside another seed
    assert [epoch[1:] for epoch in both] == alone
    assert both[0][0] != both[0][1]


def test_the_global_state_and_the_thread_count_come_back(staged):
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    list(work(job(), prepare(staged)))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_the_data_are_never_written_to(staged, splits):
    before = splits.train.digest(), splits.val.digest()
    ready = prepare(staged)
    images = ready.train.images.clone()
    list(work(job(), ready))
    assert (splits.train.digest(), splits.val.digest()) == before
    assert torch.equal(ready.train.images, images)
    assert not staged.train_images.flags.writeable


def test_training_learns(staged):
    """Thirty epochs on 24 faces: the loss falls far below where it began."""
    plain = {f"training.{k}": 0.0 for k in ("shift", "rotate", "scale", "brightness", "contrast", "flip")}
    records = [p.seeds[0] for p in work(job(epochs=30, **plain), prepare(staged))]
    assert [r.epoch for r in records] == list(range(1, 31))
    assert records[-1].train_mse < records[0].train_mse / 5
    assert records[-1].val_score > 2 * records[0].val_score
    assert records[-1].val_score == pytest.approx(1 / (2 * records[-1].val_mse))


def test_the_models_are_kept_and_predict_what_the_curve_says(staged, splits, tmp_path):
    wanted = job(seeds=(0, 1), models=str(tmp_path))
    *_, last = work(wanted, prepare(staged))
    files = sorted(tmp_path.glob("*.safetensors"))
    assert len(files) == 2
    for record, file in zip(last.seeds, files, strict=True):
        network, card = load_model(file)
        assert card.params == wanted.params
        points = predict(network, splits.val, BENCHMARK.coordinates)
        mse = float(np.square((points - splits.val.keypoints) / 48).mean())
        assert mse == pytest.approx(record.val_mse, rel=1e-4)


def test_a_diverged_seed_is_a_failure_with_its_epoch(staged):
    *_, last = work(job(epochs=3, **{"training.lr": 1e12, "network.norm": "none"}), prepare(staged))
    (failure,) = last.seeds
    assert isinstance(failure, Failure)
    assert failure.reason == "nan"
    assert "not finite in epoch" in failure.detail


def test_a_fault_in_one_cell_is_a_failure_not_an_exception(staged):
    broken = job()
    broken = broken.model_copy(update={"params": {**broken.params, "network.depth": 9}})
    (progress,) = work(broken, prepare(staged))
    assert progress.seeds[0].reason == "error"
    assert "depth 9" in progress.seeds[0].detail


def test_what_is_raised_and_no_exception_is_a_failure_too(staged, monkeypatch):
    def cancelled(*args, **kwargs):
        raise asyncio.CancelledError("no")

    monkeypatch.setattr("kpbench.engine.evaluate.build", cancelled)
    (progress,) = work(job(), prepare(staged))
    assert progress.seeds[0] == Failure(reason="error", detail="CancelledError: no")


def test_out_of_memory_has_its_own_reason(staged, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB\nand more")

    monkeypatch.setattr("kpbench.engine.evaluate.build", full)
    (progress,) = work(job(), prepare(staged))
    assert progress.seeds[0] == Failure(
        reason="oom", detail="OutOfMemoryError: CUDA out of memory. Tried to allocate 2 TiB"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", 0.0), ("lr", -1.0), ("weight_decay", -1.0), ("batch_size", 1), ("flip", 1.5), ("scale", 1.0)],
)
def test_training_parameters_out_of_range_are_refused_by_name(staged, name, value):
    ready = prepare(staged)
    network = build({"family": "cnn", "network.width": 4})
    with pytest.raises(UsageError, match=f"training.{name} must be"):
        next(fit(network, ready.train, ready.val, Setting(1, 0, staged.device), **{name: value}))


def test_diverged_error_is_raised_by_fit_itself(staged):
    ready = prepare(staged)
    network = build({"family": "cnn", "network.width": 4, "network.norm": "none"})
    with pytest.raises(DivergedError), threads():
        list(fit(network, ready.train, ready.val, Setting(3, 0, staged.device), lr=1e12, batch_size=4))


def test_the_signature_is_the_schema():
    names = training_defaults()
    assert names["training.lr"] == 3e-3
    assert all(isinstance(value, float | int | str) for value in names.values())
    assert not any(name.endswith(("epochs", "seed", "device")) for name in names)


RECIPES = [
    {"optimizer": "muon"},
    {"optimizer": "sgd", "schedule": "constant", "lr": 1e-2},
    {"schedule": "flat_cosine", "ema": 0.9, "spare_norms": True},
    {"loss": "wing"},
    {"loss": "l1", "blur": 0.5, "sharpen": 0.5, "gamma": 0.3, "cutout": 0.5, "strong_until": 0.7},
]


@pytest.mark.parametrize("recipe", RECIPES, ids="-".join)
def test_every_part_of_a_recipe_trains_the_same_twice_and_has_a_mse_in_its_rows(staged, recipe):
    one = job(epochs=4, **{f"training.{name}": value for name, value in recipe.items()})
    ready = prepare(staged)
    found = curves(one, ready)
    assert found == curves(one, ready)
    assert found[-1][0][0] < found[0][0][0]  # the training error falls, and is one of (k - 48) / 48 squared
    assert found[-1][0][0] < 0.2
    assert found != curves(job(epochs=4), ready)


def test_parameters_that_came_later_change_nothing_at_their_defaults(staged):
    later = {name: value for name, value in training_defaults().items() if name in LATER}
    ready = prepare(staged)
    assert curves(job(**later), ready) == curves(job(), ready)


def test_a_share_of_the_epochs_is_a_run_of_its_own_length(staged):
    """Not the first epochs of a longer one: its schedule and its weak end come within the share."""
    recipe, ready = {"training.strong_until": 0.5, "training.cutout": 1.0}, prepare(staged)
    half = job(epochs=8, **recipe, **{"training.exposure": 0.5})
    assert half.epochs == 4
    assert curves(half, ready) == curves(job(epochs=4, **recipe), ready) != curves(job(epochs=8, **recipe), ready)[:4]
    assert len(curves(job(epochs=3, **{"training.exposure": 0.01}), ready)) == 1


def test_the_average_is_what_is_validated_and_kept(staged, splits, tmp_path):
    ema = {"training.ema": 0.95, "training.schedule": "constant"}
    *_, last = work(job(epochs=3, models=str(tmp_path), **ema), prepare(staged))
    (file,) = tmp_path.glob("*.safetensors")
    points = predict(load_model(file)[0], splits.val, BENCHMARK.coordinates)
    mse = float(np.square((points - splits.val.keypoints) / 48).mean())
    assert mse == pytest.approx(last.seeds[0].val_mse, rel=1e-4)


def test_augmentation_is_weak_after_its_share_of_the_epochs(staged):
    """With all training weak, strong moves are those of the default recipe and looks are left alone."""
    strong = {"training.shift": 20.0, "training.rotate": 40.0, "training.scale": 0.4, "training.cutout": 1.0}
    ready = prepare(staged)
    assert curves(job(**strong, **{"training.strong_until": 0.0}), ready) == curves(job(), ready)
    half = curves(job(**strong, **{"training.strong_until": 0.5}), ready)
    assert half[0] == curves(job(**strong), ready)[0]
    assert half[1] != curves(job(**strong), ready)[1]


@pytest.mark.parametrize("head", ["softargmax", "simcc", "heatmap_offset"])
def test_keypoint_nets_train_with_their_own_losses_and_members(staged, head):
    net = {"family": "keypoint_net", "network.head": head, "network.width": 4, "network.blocks": 1}
    more = {"network.head_width": 8, "network.members": 2, "network.own_loss": 1e-3}
    cell = complete({**net, **more, "training.batch_size": 8}, DEFAULTS)
    one = Job(number=0, role="trial", params=cell, seeds=(0,), budget=4)
    found = curves(one, prepare(staged))
    assert found == curves(one, prepare(staged))
    assert found[-1][0][0] < found[0][0][0]


class Term(HasOwnLoss):
    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.zeros(()))

    def own_loss(self, target):
        return self.value


class Several(torch.nn.Module):
    """As many members as asked for, each with a term of its own."""

    def __init__(self, members):
        super().__init__()
        self.terms = torch.nn.ModuleList(Term() for _ in range(members))

    def forward(self, x):
        each = torch.stack([term.value.expand(len(x), 30) * 0 for term in self.terms])
        return each if self.training else each.mean(0)


def test_own_losses_are_averaged_over_members_as_the_points_are(staged):
    ready = prepare(staged)
    moved = []
    for members in (1, 4):
        network = Several(members)
        list(fit(network, ready.train, ready.val, Setting(1, 0, staged.device), optimizer="sgd", batch_size=24))
        moved.append(network.terms[0].value.item())
    assert moved[0] == pytest.approx(4 * moved[1])
    assert moved[0] < 0


def test_the_masked_loss_is_the_mean_over_what_is_labelled():
    predicted = torch.randn(4, 15, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target = torch.randn(4, 15, 2, generator=torch.Generator().manual_seed(1))
    assert masked_mse(predicted, target).item() == pytest.approx(torch.nn.functional.mse_loss(predicted, target).item())
    target[0, 3:] = math.nan
    target[2, 7] = math.nan
    loss = masked_mse(predicted, target)
    known = torch.isfinite(target)
    assert loss.item() == pytest.approx((predicted - target)[known].square().mean().item())
    loss.backward()
    assert torch.isfinite(predicted.grad).all()
    assert (predicted.grad[~known] == 0).all() and (predicted.grad[known] != 0).all()


def test_training_on_partial_labels_learns_and_stays_finite(staged):
    points = staged.train_keypoints.copy()
    points[::2, 4:] = math.nan
    half = dataclasses.replace(staged, train_keypoints=points)
    records = [progress.seeds[0] for progress in work(job(epochs=3), prepare(half))]
    assert all(math.isfinite(record.train_mse) for record in records)
    assert records[-1].train_mse < records[0].train_mse
