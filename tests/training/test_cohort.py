"""Seeds trained as one program get the numbers of seeds trained alone; one that diverges harms no other."""

import math
from functools import partial

import pytest
import torch

from kpbench.engine.evaluate import Staged, as_cohort, known_parameters, prepare, side_by_side, work
from kpbench.engine.jobs import Failure, Job, grouped
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training import cohort, device
from kpbench.training.cohort import DROPOUTS, NORMS
from kpbench.training.device import Device
from kpbench.training.fit import DivergedError
from kpbench.training.model_files import load_model
from kpbench.training.recipe import LOSSES, masked_mean
from kpbench.training.seeds import global_seed

masked_mse = partial(masked_mean, LOSSES["mse"])

DEFAULTS = known_parameters()
SMALL = {"network.width": 4, "network.depth": 3, "network.head_width": 16, "training.batch_size": 8}
FP32 = Device("cpu", "a CPU", "fp32")
TOLERANCE = 1e-4
"""Relative, of an MSE after two epochs in fp32; found: below 1e-5."""


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
    epochs = (seeds for seeds, _ in zip(way(one, ready), range(one.epochs), strict=False))
    return torch.tensor([[(r.train_mse, r.val_mse) for r in seeds] for seeds in epochs])


@pytest.mark.parametrize("dropout", sorted(DROPOUTS))
@pytest.mark.parametrize("norm", sorted(NORMS))
def test_each_member_is_its_run_alone(ready, norm, dropout):
    one = job(**{"network.norm": norm, "network.dropout": dropout, "network.dropout_rate": 0.3})
    together = numbers(as_cohort, one, ready)
    torch.testing.assert_close(together, numbers(side_by_side, one, ready), rtol=TOLERANCE, atol=0)
    assert len(together[-1, :, 1].unique()) == 3  # three seeds, not three copies of one


def test_so_is_each_of_a_fully_connected_network_with_moves_of_every_kind(ready):
    moves = {"training.flip": 0.5, "training.rotate": 15.0, "network.dropout": "standard"}
    one = job("mlp", **moves)
    torch.testing.assert_close(
        numbers(as_cohort, one, ready), numbers(side_by_side, one, ready), rtol=TOLERANCE, atol=0
    )


def test_members_begin_at_the_mean_face_as_their_runs_alone_do(ready):
    one = job(**{"training.mean_start": True})
    assert cohort.can_be_cohort(one.params)
    together = numbers(as_cohort, one, ready)
    torch.testing.assert_close(together, numbers(side_by_side, one, ready), rtol=TOLERANCE, atol=0)
    assert (together[0, :, 1] < numbers(as_cohort, job(), ready)[0, :, 1]).all()


def test_models_are_those_of_the_members(ready, tmp_path):
    one = job(seeds=(3, 4), models=str(tmp_path / "together"))
    alone = one.model_copy(update={"models": str(tmp_path / "alone")})
    numbers(as_cohort, one, ready)
    numbers(side_by_side, alone, ready)
    for path in (tmp_path / "together").glob("*.safetensors"):
        mine, theirs = (load_model(tmp_path / way / path.name)[0].state_dict() for way in ("together", "alone"))
        assert all(torch.allclose(mine[name], theirs[name], atol=1e-4) for name in mine)
        assert any((mine[name] != load_model(path)[0].state_dict()[name]).any() for name in mine) is False
    assert len(list((tmp_path / "together").glob("*.safetensors"))) == 2


def test_a_share_of_the_epochs_is_the_same_share_together(ready):
    half = job(epochs=4, **{"training.exposure": 0.5})
    assert cohort.can_be_cohort(half.params)
    assert len(list(as_cohort(half, ready))) == half.epochs == 2
    assert numbers(as_cohort, half, ready) == pytest.approx(numbers(as_cohort, job(), ready))


def test_a_member_that_diverges_stops_alone(ready):
    cell = dict(job().params)
    networks = []
    for seed in (0, 1, 2):
        with global_seed(seed, "weights"):
            networks.append(build(cell))
    torch.nn.init.constant_(next(networks[1].parameters()), math.nan)
    training = {name.removeprefix("training."): v for name, v in cell.items() if name.startswith("training.")}
    arguments = (networks, ready.train, ready.val, (0, 1, 2))
    epochs = list(cohort.fit_cohort(*arguments, epochs=2, device=FP32, **training))
    healthy = numbers(side_by_side, job(), ready)
    for members, alone in zip(epochs, healthy, strict=True):
        assert isinstance(members[1], DivergedError)
        assert "epoch 1" in str(members[1])
        for place in (0, 2):
            assert members[place].val_mse == pytest.approx(alone[place, 1].item(), rel=TOLERANCE)


def test_all_diverged_ends_the_cohort(ready):
    epochs = list(as_cohort(job(epochs=5, **{"training.lr": 1e30, "network.norm": "none"}), ready))
    assert len(epochs) < 5
    assert all(isinstance(seed, Failure) and seed.reason == "nan" for seed in epochs[-1])


def test_missing_labels_are_left_out_by_each_member_alone():
    truth = torch.rand(3, 4, 15, 2)
    truth[1, 0, 3] = math.nan
    predicted = torch.rand(3, 4, 15, 2)
    each = torch.stack([masked_mse(p, t) for p, t in zip(predicted, truth, strict=True)])
    torch.testing.assert_close(torch.func.vmap(masked_mse)(predicted, truth), each)


def test_too_little_memory_for_a_cohort_trains_side_by_side(ready, monkeypatch):
    def full(*args, **kwargs):
        raise torch.OutOfMemoryError("no memory")
        yield

    monkeypatch.setattr("kpbench.engine.evaluate.fit_cohort", full)
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
    list(work(job(seeds=(0, 1)).model_copy(update={"params": {"family": "timm_backbone"}}), ready))
    assert [one.seeds for one in calls] == [(0, 1)]


def test_runs_of_one_kind_are_grouped_in_the_place_of_their_first():
    runs = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("b", 2)]
    assert grouped(runs, 1) == [(kind, (seed,)) for kind, seed in runs]
    assert grouped(runs, 2) == [("a", (1, 2)), ("b", (1, 2)), ("a", (3,))]
    assert grouped(runs, 9) == [("a", (1, 2, 3)), ("b", (1, 2))]
