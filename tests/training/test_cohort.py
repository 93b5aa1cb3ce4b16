"""Seeds trained together are the runs of seeds trained alone, number for number; one that diverges harms no other."""

import gc
import math
import weakref
from itertools import cycle

import pytest
import torch

from kpbench.engine.evaluate import Staged, as_cohort, known_parameters, prepare, side_by_side, work
from kpbench.engine.jobs import Failure, Job, grouped
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.networks.layers import DROPOUTS, NORMS
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training import device
from kpbench.training.device import Device, threads
from kpbench.training.fit import DivergedError, Setting, fit, fit_together, training_of
from kpbench.training.model_files import load_model
from kpbench.training.seeds import global_seed

DEFAULTS = known_parameters()
SMALL = {"network.width": 4, "network.depth": 3, "network.head_width": 16, "training.batch_size": 8}
FP32 = Device("cpu", "a CPU", "fp32")


@pytest.fixture(scope="module")
def ready(course):
    splits = load(str(course), val_share=0.15, test_share=0.15, seed=0)
    train, val = splits.train, splits.val
    arrays = train.images, train.keypoints, val.images, val.keypoints
    return prepare(Staged(*arrays, read_benchmark().coordinates, "b", splits.digest(), FP32))


def job(family="cnn", seeds=(0, 1, 2), *, role="ablation", epochs=2, models=None, **params):
    small = SMALL if family == "cnn" else {"network.width": 16, "training.batch_size": 8}
    cell = complete({"family": family, **small, **params}, DEFAULTS)
    return Job(number=0, role=role, params=cell, seeds=seeds, budget=epochs, models=models)


def numbers(way, one, ready):
    with threads():
        epochs = [seeds for seeds, _ in zip(way(one, ready), range(one.epochs), strict=False)]
    return torch.tensor([[(r.train_mse, r.val_mse) for r in seeds] for seeds in epochs])


def assert_same(one, ready):
    together = numbers(as_cohort, one, ready)
    assert torch.equal(together, numbers(side_by_side, one, ready))
    assert len(together[-1, :, 1].unique()) == len(one.seeds)  # seeds, not copies of one


@pytest.mark.parametrize(("norm", "dropout"), list(zip(sorted(NORMS), cycle(sorted(DROPOUTS)), strict=False)))
def test_each_member_is_its_run_alone(ready, norm, dropout):
    assert_same(job(**{"network.norm": norm, "network.dropout": dropout, "network.dropout_rate": 0.3}), ready)


@pytest.mark.parametrize(
    "params",
    [
        {"family": "mlp", "training.flip": 0.5, "training.rotate": 15.0, "network.dropout": "standard"},
        {"training.mean_start": True},
        {"training.optimizer": "muon", "training.ema": 0.9, "training.schedule": "flat_cosine"},
        {"training.blur": 0.5, "training.cutout": 0.5, "training.gamma": 0.2, "training.strong_until": 0.5},
        {"family": "keypoint_net", "network.head": "simcc", "network.drop_path": 0.3, "network.depth": 3},
    ],
    ids=lambda params: " ".join(map(str, params.values())),
)
def test_so_is_each_of_any_family_and_recipe(ready, params):
    assert_same(job(**params), ready)


def test_models_are_those_of_the_members(ready, tmp_path):
    one = job(seeds=(3, 4), models=str(tmp_path / "together"))
    alone = one.model_copy(update={"models": str(tmp_path / "alone")})
    numbers(as_cohort, one, ready)
    numbers(side_by_side, alone, ready)
    for path in (tmp_path / "together").glob("*.safetensors"):
        mine, theirs = (load_model(tmp_path / way / path.name)[0].state_dict() for way in ("together", "alone"))
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert len(list((tmp_path / "together").glob("*.safetensors"))) == 2


def test_a_share_of_the_epochs_is_the_same_share_together(ready):
    half = job(epochs=4, **{"training.exposure": 0.5})
    assert len(list(as_cohort(half, ready))) == half.epochs == 2
    assert torch.equal(numbers(as_cohort, half, ready), numbers(as_cohort, job(), ready))


def test_a_member_that_diverges_stops_alone(ready):
    cell = dict(job().params)
    networks = []
    for seed in (0, 1, 2):
        with global_seed(seed, "weights"):
            networks.append(build(cell))
    torch.nn.init.constant_(next(networks[1].parameters()), math.nan)
    setting = Setting(2, 0, FP32)
    epochs = list(fit_together(networks, ready.train, ready.val, setting, (0, 1, 2), **training_of(cell)))
    healthy = numbers(side_by_side, job(), ready)
    for members, alone in zip(epochs, healthy, strict=True):
        assert isinstance(members[1], DivergedError)
        assert "epoch 1" in str(members[1])
        for place in (0, 2):
            assert members[place].val_mse == pytest.approx(alone[place, 1].item(), rel=1e-6)  # a float32 here


def test_a_diverged_run_leaves_nothing_in_memory(ready):
    gc.disable()
    try:
        with global_seed(0, "weights"):
            network = build(job().params)
        torch.nn.init.constant_(next(network.parameters()), math.nan)
        watched = weakref.ref(network)
        with pytest.raises(DivergedError):
            list(fit(network, ready.train, ready.val, Setting(2, 0, FP32), **training_of(job().params)))
        del network
        assert watched() is None
    finally:
        gc.enable()


def test_a_parameter_that_does_not_exist_is_refused(ready):
    with pytest.raises(TypeError, match="no training parameters: lrr"):
        next(fit_together([], ready.train, ready.val, Setting(1, 0, FP32), (), lrr=1.0))


def test_all_diverged_ends_the_cohort(ready):
    epochs = list(as_cohort(job(epochs=5, **{"training.lr": 1e30, "network.norm": "none"}), ready))
    assert len(epochs) < 5
    assert all(isinstance(seed, Failure) and seed.reason == "nan" for seed in epochs[-1])


def test_too_little_memory_for_a_cohort_trains_side_by_side(ready, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("no memory")
        yield

    monkeypatch.setattr("kpbench.engine.evaluate.fit_together", full)
    assert torch.equal(numbers(as_cohort, job(), ready), numbers(side_by_side, job(), ready))


@pytest.mark.parametrize(("role", "epochs"), [("trial", 1), ("ablation", 2)])
def test_a_failed_seed_ends_a_trial_and_no_planned_run(ready, monkeypatch, role, epochs):
    def seeds(one, ready):
        while True:
            yield (Failure(reason="nan", detail="x"), *[next(good)[0]])

    good = side_by_side(job(seeds=(1,)), ready)
    monkeypatch.setattr("kpbench.engine.evaluate.side_by_side", seeds)
    assert len(list(work(job(seeds=(0, 1), role=role), ready))) == epochs


def test_a_cohort_is_for_devices_where_it_pays(ready, monkeypatch):
    calls = []
    monkeypatch.setattr("kpbench.engine.evaluate.as_cohort", lambda one, ready: calls.append(one) or iter(()))
    monkeypatch.setattr("kpbench.engine.evaluate.side_by_side", lambda one, ready: iter(()))
    list(work(job(), ready))
    assert calls == []
    monkeypatch.setitem(device.COHORT, "cpu", 2)
    for seeds in ((0,), (0, 1), (0, 1, 2)):
        list(work(job(seeds=seeds), ready))
    list(work(job(seeds=(0, 1)).model_copy(update={"params": {"family": "nets.py:make"}}), ready))
    assert [one.seeds for one in calls] == [(0, 1)]


def test_runs_of_one_kind_are_grouped_in_the_place_of_their_first():
    runs = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)]
    assert grouped(runs, 1) == [(kind, (seed,)) for kind, seed in runs]
    assert grouped(runs, 2) == [("a", (1, 2)), ("b", (1, 2)), ("a", (3,))]
    assert grouped(runs, 9) == [("a", (1, 2, 3)), ("b", (1, 2))]
