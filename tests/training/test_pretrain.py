"""Pretraining: the same start for every recipe of a network and seed, paid once, its head new."""

import pytest
import torch

from kpbench.engine.evaluate import Staged, epoch_seconds, known_parameters, prepare, work
from kpbench.engine.jobs import Job
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training import pretrain as pretraining
from kpbench.training.device import Device
from kpbench.training.fit import fit
from kpbench.training.pretrain import pretrain
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
    monkeypatch.setattr(pretraining, "load", lambda *_, **__: splits)
    monkeypatch.setattr(pretraining, "EPOCHS", 1)
    return []


def network(seed=0, **params):
    with global_seed(seed, "weights"):
        return build(params if "family" in params else {**NET, **params})


def started(calls, seed=0, source="synthetic", **params):
    def train(network, train, val, epochs, seed, recipe):
        calls.append((epochs, seed))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(seed % 7 + 1)
        yield from ()

    model = network(seed, **params)
    pretrain(source, model, seed, "cpu", train)
    return model


def test_maps_are_those_of_the_pretraining_and_the_head_is_new(calls):
    model, fresh = started(calls), network()
    body, head = model[0].state_dict(), model[1].state_dict()
    assert all(torch.equal(value, head[name]) for name, value in fresh[1].state_dict().items())
    assert not any(torch.equal(p, body[name]) for name, p in fresh[0].named_parameters())
    mlp, plain = (started(calls, source=source, family="cnn") for source in ("synthetic", "none"))
    same = [name for name, value in plain.state_dict().items() if torch.equal(value, mlp.state_dict()[name])]
    assert {name.rpartition(".")[0] for name, _ in plain.named_parameters() if name in same} == {"7"}


def test_a_network_and_seed_pay_once(calls):
    first, again = started(calls), started(calls)
    assert len(calls) == 1
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    started(calls, seed=1)
    started(calls, **{"network.activation": "silu"})
    assert len(calls) == 3
    assert len({seed for _, seed in calls}) == 2
    started(calls, source="none")
    assert len(calls) == 3


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
    return Job(number=0, role="trial", params=cell, seeds=(0,), epochs=epochs)


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


def test_an_unknown_source_is_refused(splits):
    with pytest.raises(UsageError, match=r"training.pretrain 'synthetik'.*did you mean 'synthetic'"):
        next(fit(network(), None, None, None, pretrain="synthetik"))
