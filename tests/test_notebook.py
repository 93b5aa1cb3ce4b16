"""The names that `kpbench` itself offers: lazy, documented, and the same numbers as a study's."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import kpbench
from kpbench.cell import EpochRecord
from kpbench.engine import inline
from kpbench.engine.jobs import Job
from kpbench.engine.live import Facts
from kpbench.engine.planned import Planned
from kpbench.errors import UsageError
from kpbench.faces.drawn.synthetic import generate
from kpbench.faces.faces import SealedFaces, Splits
from kpbench.studies.preflight import prepare_task
from kpbench.training.model_files import load_model
from tests.ablation_rows import study_folder

NAMES = ("build", "evaluate_model", "fit", "load_faces", "read_rows", "read_space", "figure")


@pytest.fixture(scope="module")
def splits(course):
    return kpbench.load_faces(course)


def test_the_names_are_there_and_documented():
    assert set(NAMES) < set(dir(kpbench))
    for name in NAMES:
        assert len(getattr(kpbench, name).__doc__) > 100, name
    with pytest.raises(AttributeError, match="no attribute 'evaluate'; it has"):
        kpbench.evaluate  # noqa: B018


def test_importing_kpbench_loads_nothing_heavy_and_training_needs_no_pandas():
    program = """
import sys, kpbench
assert not {"torch", "pandas", "numpy", "optuna", "ray", "plotly"} & set(sys.modules)
for name in ("ray", "optuna", "plotly", "pandas", "typer", "rich", "jinja2"):
    sys.modules[name] = None
kpbench.fit, kpbench.build, kpbench.load_faces, kpbench.evaluate_model, kpbench.read_space
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_notebook_trains_what_a_study_trains(splits, tmp_path):
    task = prepare_task("cnn_small", "cpu", 2)
    cell = task.complete({"family": "cnn", "network.depth": 2, "network.width": 4, "network.dropout": "standard"})
    (kept,) = _study_rows(task, splits, cell, tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = kpbench.build(cell, seed=5)
        recipe = {name.removeprefix("training."): value for name, value in cell.items() if name.startswith("training.")}
        records = list(kpbench.fit(network, splits.train, splits.val, epochs=2, seed=5, device="cpu", **recipe))
    finally:
        torch.set_num_threads(threads)
    assert all(isinstance(record, EpochRecord) for record in records)
    assert [record.val_mse for record in records] == [record.val_mse for record in kept.curve]
    stored, _ = load_model(next(tmp_path.glob("*.safetensors")))
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in stored.state_dict().items())
    # Only the memory layout differs, and with it the order of additions.
    assert kpbench.evaluate_model(network, splits.val) == pytest.approx(kpbench.evaluate_model(stored, splits.val))


def _study_rows(task, splits, cell, models):
    told = []
    job = Job(number=0, role="ablation", params=cell, seeds=(5,), budget=2, models=str(models))
    facts: Facts = task.facts(splits)
    inline.run(Planned([job], facts, lambda event: None, lambda row: told.append(row) or row), task.stage(splits))
    return told


def test_a_space_gives_cells_that_can_be_built():
    cells = list(kpbench.read_space("cnn_small").cells())
    assert len(cells) == 36
    with torch.device("meta"):
        assert kpbench.build(cells[0])(torch.zeros(2, 1, 96, 96, device="meta")).shape == (2, 30)


def test_a_space_may_name_a_network_of_ones_own():
    cells = list(kpbench.read_space("examples/own_space.toml").cells())
    assert [cell["family"].partition("#")[0] for cell in cells[:4]] == ["own_network.py:KeypointModel"] * 4
    assert kpbench.build(cells[0])(torch.zeros(2, 1, 96, 96)).shape == (2, 30)
    norm = next(cell for cell in cells if str(cell.get("network.norm")).startswith("own_network.py:ChannelScale#"))
    assert kpbench.build(norm)(torch.zeros(2, 1, 96, 96)).shape == (2, 30)


def test_the_example_runs(course):
    """As a program, with a tiny data set; its frame of rows is that of a published study."""
    words = [sys.executable, "examples/notebook.py", str(course), "1"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    first, epoch, official, *frame = done.stdout.splitlines()
    assert "24 faces to train on, 8 to choose by" in first
    assert epoch.startswith("epoch 1: validation score ")
    assert float(official.rpartition(" ")[2]) == pytest.approx(float(epoch.split()[4].rstrip(",")), rel=0.05)
    assert [line.split()[0] for line in frame[2:]] == ["batch", "none", "spatial_batch"]


def test_rows_are_a_frame_with_one_line_a_run():
    frame = kpbench.read_rows("reports/dropout-norm")
    assert len(frame) == 60
    assert set(frame["network.norm"]) == {"none", "batch", "spatial_batch"}
    assert (frame.test_score - 1 / (2 * frame.test_mse)).abs().max() < 1e-9
    assert np.allclose(frame.face_mse.map(np.mean), frame.test_mse, rtol=1e-4)
    assert {len(points) for points in frame.keypoint_px} == {15}
    assert not [name for name in frame if name.startswith("metrics")]  # rows of an earlier version


def test_metrics_are_columns_of_the_frame(tmp_path):
    study_folder(tmp_path / "mine")
    frame = kpbench.read_rows(tmp_path / "mine")
    assert np.allclose(frame["metrics.rmse_px"], 48 * np.sqrt(frame.test_mse)) and "metrics" not in frame
    assert frame["metrics.nme"].between(0, 1).all() and "measures.shift 2" in frame


FEW = generate(2)
SEALED = SealedFaces(FEW)
ALL = Splits("few", FEW, FEW, SEALED)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kpbench.build({"network.depth": 3}), "a cell needs its family"),
        (lambda: kpbench.build({"family": "cn"}), "unknown family 'cn'; did you mean 'cnn'"),
        (lambda: kpbench.build({"family": "cnn", "network.dept": 3}), "no parameter 'network.dept'; did you mean"),
        (lambda: kpbench.read_space("cnn_smal"), "did you mean 'cnn_small'"),
        (lambda: kpbench.read_rows("no-such-study"), "no study 'no-such-study'"),
        (lambda: kpbench.load_faces("synthetik"), "did you mean 'synthetic'"),
        (lambda: kpbench.load_faces("synthetic", labels="partail"), "labels are complete or partial, not 'partail'"),
        (lambda: kpbench.evaluate_model(nn.Identity(), SEALED), "the test split is sealed"),
        (lambda: kpbench.evaluate_model(nn.Identity(), ALL), "give one split, such as splits.val"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(UsageError, match=message):
        call()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": "fast"}, "training.lr must be above 0, got 'fast'"),
        ({"batch_size": 2.5}, "training.batch_size must be a whole number of at least 2, got 2.5"),
        ({"optimizer": 3}, "training.optimizer must be a name: adamw, .*; got 3"),
        ({"epochs": "a"}, "epochs must be a whole number of at least 1, got 'a'"),
    ],
)
def test_a_recipe_of_another_kind_is_refused_in_words(splits, given, message):
    with pytest.raises(UsageError, match=message):
        next(iter(kpbench.fit(kpbench.build({"family": "cnn"}), splits.train, splits.val, **given)))


def test_a_misspelt_recipe_is_named(splits):
    with pytest.raises(UsageError, match="no parameter 'learning_rate'"):
        kpbench.fit(kpbench.build({"family": "cnn"}), splits.train, splits.val, learning_rate=1e-3)
