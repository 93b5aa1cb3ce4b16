"""Pretraining: the same start for every recipe of a network and seed, paid once, its head new."""

import re

import numpy as np
import pytest
import torch

from kpbench.engine.evaluate import Staged, epoch_seconds, known_parameters, prepare, work
from kpbench.engine.jobs import Job
from kpbench.errors import UsageError
from kpbench.faces import datasets
from kpbench.faces.datasets import drawn, load
from kpbench.faces.parts import Parts
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training import pretrain as pretraining
from kpbench.training.device import Device
from kpbench.training.fit import fit
from kpbench.training.pretrain import check_pretrain, pretrain
from kpbench.training.seeds import global_seed

NET = {"family": "keypoint_net", "network.width": 4, "network.blocks": 1, "network.head_width": 8}
FP32 = Device("cpu", "a CPU", "fp32")


@pytest.fixture
def splits(course):
    return load(str(course), val_share=0.15, test_share=0.15, seed=0)


@pytest.fixture
def calls(splits, monkeypatch, tmp_path):
    """Pretrainings that were trained rather than read; the other faces are the course's few."""
    monkeypatch.setenv("KPBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "drawn", lambda *_, **__: Parts(splits.train))
    monkeypatch.setattr(pretraining, "FACES", len(splits.train))
    monkeypatch.setattr(pretraining, "VAL", 8)
    monkeypatch.setattr(pretraining, "EPOCHS", 1)
    return []


def network(seed=0, **params):
    with global_seed(seed, "weights"):
        return build(params if "family" in params else {**NET, **params})


def started(calls, seed=0, source="synthetic", identity="this network", **params):
    def train(network, train, val, epochs, seed, recipe):
        calls.append((epochs, seed))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(seed % 7 + 1)
        yield from ()

    model = network(seed, **params)
    pretrain(source, model, identity, seed, train)
    return model


def test_the_faces_are_of_people_in_no_data_set(monkeypatch, tmp_path):
    """Those of `--data synthetic` have a test split, which is sealed, and a val split, which chooses."""
    ours, theirs = (drawn(60, seed).train for seed in (pretraining.DRAWN_SEED, 0))
    assert not {image.tobytes() for image in ours.images} & {image.tobytes() for image in theirs.images}
    faces = [one.keypoints.reshape(60, 30) for one in (ours, theirs)]
    near = np.abs(faces[0][:, None] - faces[1]).max(axis=2)
    assert near.min() > 0.5  # pixels: no face is another's copy in another light


@pytest.mark.parametrize("params", [{}, {"family": "timm_features"}, {**NET, "network.members": 2}], ids=len)
def test_maps_are_those_of_the_pretraining_and_the_head_is_new(calls, params):
    model, fresh = (started(calls, source=source, **params) for source in ("synthetic", "none"))
    same = {name for name, p in fresh.named_parameters() if torch.equal(p, dict(model.named_parameters())[name])}
    head = {
        name
        for name, _ in fresh.named_parameters()
        if "backbone" not in name and not re.search(r"^(members\.\d\.)?0\.", name)
    }
    assert same == head != set()


def test_a_network_and_seed_pay_once(calls):
    first, again = started(calls), started(calls)
    assert len(calls) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    started(calls, seed=1)
    started(calls, identity="another network of the same shape")
    assert len(calls) == 3
    assert len({seed for _, seed in calls}) == 2
    started(calls, source="none")
    assert len(calls) == 3
    for _ in range(2):
        started(calls, identity=None)  # not known: trained each time
    assert len(calls) == 5


def test_a_broken_file_is_trained_again_and_a_full_disk_is_no_error(calls, tmp_path, monkeypatch):
    started(calls)
    (file,) = (tmp_path / "cache").rglob("*.safetensors")
    file.write_bytes(b"torn")
    started(calls)
    assert len(calls) == 2

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pretraining, "write_whole", full)
    started(calls, seed=5)
    started(calls, seed=5)
    assert len(calls) == 4


def job(epochs=2, **params):
    cell = complete({**NET, "training.batch_size": 8, **params}, known_parameters())
    return Job(number=0, role="trial", params=cell, seeds=(0,), budget=epochs)


def test_a_pretrained_run_is_reproducible_and_another_one(calls, splits):
    train, val = splits.train, splits.val
    arrays = train.images, train.keypoints, val.images, val.keypoints
    staged = Staged(*arrays, read_benchmark().coordinates, "b", splits.digest(), FP32)
    ready = prepare(staged)

    def curve(**params):
        return [(r.train_mse, r.val_mse) for progress in work(job(**params), ready) for r in progress.seeds]

    asked = {"training.pretrain": "synthetic"}
    once = curve(**asked)
    assert once == curve(**asked)  # the second time from the cache
    assert once != curve()
    assert epoch_seconds(job(**asked).params, staged) > 0


def test_networks_that_differ_in_nothing_but_a_rate_start_apart(calls, splits, tmp_path):
    """They look alike and have the same first weights; what they learn is not the same."""
    train, val = splits.train, splits.val
    staged = Staged(train.images, train.keypoints, val.images, val.keypoints, read_benchmark().coordinates, "b",
                    splits.digest(), FP32)  # fmt: skip
    ready = prepare(staged)
    for rate in (0.0, 0.5):
        list(work(job(epochs=1, **{"network.drop_path": rate, "training.pretrain": "synthetic"}), ready))
    assert len(list((tmp_path / "cache" / "pretrained").iterdir())) == 2


def test_only_families_with_a_known_head_are_pretrained():
    with pytest.raises(UsageError, match="is for keypoint_net and timm_features, not for cnn"):
        check_pretrain({"family": "cnn", "training.pretrain": "synthetic"})
    check_pretrain({"family": "cnn", "training.pretrain": "none"})
    check_pretrain({"family": "cnn"})


def test_an_unknown_source_is_refused(splits):
    with pytest.raises(UsageError, match=r"training.pretrain 'synthetik'.*did you mean 'synthetic'"):
        next(fit(network(), None, None, None, pretrain="synthetik"))
