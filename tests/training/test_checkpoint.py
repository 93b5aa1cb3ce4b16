"""A run that was cut goes on bit for bit; a file that is not its own is none."""

import pytest
import torch

from kpbench.engine.evaluate import device_faces as device_faces_of
from kpbench.engine.evaluate import known_parameters
from kpbench.faces.datasets import load
from kpbench.networks.families import build
from kpbench.space.space import complete
from kpbench.task.benchmark import read_benchmark
from kpbench.training import checkpoint as module
from kpbench.training.device import find_device, threads
from kpbench.training.fit import Setting, fit, training_of
from kpbench.training.seeds import global_seed

DEFAULTS = known_parameters()


@pytest.fixture(scope="module")
def cpu():
    return find_device("cpu")


@pytest.fixture(scope="module")
def device_faces(course, cpu):
    splits = load(str(course), val_share=0.15, test_share=0.15, seed=0)
    coordinates = read_benchmark().coordinates
    return [device_faces_of(part.images, part.keypoints, coordinates, cpu) for part in (splits.train, splits.val)]


@pytest.fixture(autouse=True)
def _each_epoch(monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0)


def begin(faces, device, path, *, epochs=4, **params):
    """A network and its run."""
    small = {"family": "cnn", "network.width": 4, "network.depth": 2, "network.head_width": 8, "training.batch_size": 8}
    cell = complete({**small, "network.norm": "spatial_batch", "network.dropout": "spatial", **params}, DEFAULTS)
    with global_seed(3, "weights"):
        network = build(cell)
    return network, fit(network, *faces, Setting(epochs, 3, device, "x", path), **training_of(cell))


def numbers(records):
    """Records without their times."""
    return [(record.epoch, record.train_mse, record.val_mse) for record in records]


RECIPES = [
    {},
    {"training.optimizer": "sgd", "training.schedule": "constant"},
    {"training.optimizer": "muon", "training.schedule": "flat_cosine", "training.ema": 0.9, "training.cutout": 0.5},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=["one_cycle", "sgd", "muon"])
def test_a_cut_run_goes_on_bit_for_bit(tmp_path, device_faces, cpu, recipe):
    with threads():
        whole, run = begin(device_faces, cpu, None, **recipe)
        wanted = numbers(run)
        path = tmp_path / "run.pt"
        _, run = begin(device_faces, cpu, path, **recipe)
        assert numbers([next(run), next(run)]) == wanted[:2]
        del run
        assert path.is_file()
        again, run = begin(device_faces, cpu, path, **recipe)
        assert numbers(run) == wanted
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
    assert not path.exists()  # the run has ended


@pytest.mark.parametrize("content", ["other epochs", b"", b"PK torn"])
def test_a_file_that_is_not_the_runs_own_is_none(tmp_path, device_faces, cpu, content):
    path = tmp_path / "run.pt"
    with threads():
        wanted = numbers(begin(device_faces, cpu, None)[1])
        if content == "other epochs":
            _, run = begin(device_faces, cpu, path, epochs=7)
            next(run)
        else:
            path.write_bytes(content)
        assert numbers(begin(device_faces, cpu, path)[1]) == wanted


def test_a_short_run_writes_nothing(tmp_path, device_faces, cpu, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 600)
    _, run = begin(device_faces, cpu, tmp_path / "run.pt")
    next(run)
    assert list(tmp_path.iterdir()) == []


def test_where_the_folder_is_not_seen_nothing_is_kept(tmp_path, device_faces, cpu):
    _, run = begin(device_faces, cpu, tmp_path / "elsewhere" / "run.pt")
    assert len(list(run)) == 4
