"""A stored run trained again: the same numbers on a CPU, refusals by name, nothing written into the study."""

import json
import shutil

import numpy as np
import pytest

from kpbench.cell import RunResult
from kpbench.engine.events import Advanced
from kpbench.errors import UsageError
from kpbench.faces.datasets import load
from kpbench.faces.faces import SealedFaces
from kpbench.store.files import PLAN, ROWS, SESSIONS, read_lines
from kpbench.studies.ablation import ablate
from kpbench.studies.ablation_request import AblationRequest, prepare_ablation
from kpbench.studies.rerun import rerun
from kpbench.studies.rerun_request import prepare_rerun
from kpbench.studies.search import search
from kpbench.studies.search_request import SearchRequest, prepare_search
from kpbench.task.benchmark import read_benchmark
from kpbench.task.scorer import evaluate_model
from kpbench.training import device
from kpbench.training.fit import RECIPE
from kpbench.training.model_files import load_model
from kpbench.training.predict import Labelled
from tests.cli.spaces import SPACE
from tests.course_files import blob_faces


def quiet(*args):
    """Takes what is told and says nothing."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rerun")
    (folder / "tiny.toml").write_text(SPACE)
    return folder


@pytest.fixture(scope="module")
def study(place, course):
    """Two cells of two seeds each, the better one with a fresh seed."""
    request = SearchRequest(
        space=str(place / "tiny.toml"), data=str(course), n_trials=2, seeds=2, epochs=3, scheduler="none", workers=0,
        final_seeds=1, device="cpu", name="tiny", out=place, command=f"kpbench search --data {course}",
    )  # fmt: skip
    return search(prepare_search(request), quiet, quiet)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Forty faces of ten people."""
    file, faces = tmp_path_factory.mktemp("people") / "people.npz", blob_faces(40, seed=1, people=10)
    np.savez(file, images=faces.images, keypoints=faces.keypoints, subjects=faces.subjects)
    return file


@pytest.fixture(scope="module")
def design(place, people):
    """An ablation whose blocks draw train and val anew."""
    request = AblationRequest(
        factors=("depth",), space=str(place / "tiny.toml"), data=str(people), seeds=2, epochs=2, workers=0,
        resplit=True, device="cpu", name="resplit", out=place, command="kpbench ablate",
    )  # fmt: skip
    return ablate(prepare_ablation(request), quiet, quiet)


def again(folder, cell, *, seed=None, data=None, to=None, notify=quiet, **options):
    prepared = prepare_rerun(str(folder), cell, seed=seed, out=folder.parent, **options)
    return prepared, rerun(prepared, data, to, notify, quiet)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_final_run_is_equal_bit_for_bit_and_the_study_stays_as_it_is(study, tmp_path, monkeypatch):
    before = files(study)
    monkeypatch.setattr(SealedFaces, "open", lambda *args: pytest.fail("the sealed test was opened"))
    prepared, (one,) = again(study, "best", to=tmp_path / "again.safetensors")
    assert one.stored.role == "final" and one.stored.seed == 2
    assert one.equal and one.first is None and one.again == one.stored.val_mse
    assert prepared.differs == {}
    assert files(study) == before
    network, card = load_model(tmp_path / "again.safetensors")
    kept, of_study = load_model(study / one.stored.model)
    assert card == of_study
    assert all((value == kept.state_dict()[name]).all() for name, value in network.state_dict().items())


def test_every_seed_of_a_trial_or_the_one_that_is_asked_for(study):
    trial = next(row for row in read_lines(study / ROWS, RunResult) if row.role == "trial" and row.trial == 0)
    other = next(row.cell for row in read_lines(study / ROWS, RunResult) if row.cell != trial.cell)
    finals = {row.cell for row in read_lines(study / ROWS, RunResult) if row.role == "final"}
    tried = ({trial.cell, other} - finals).pop()
    _, found = again(study, tried[:6])
    assert [one.stored.seed for one in found] == [0, 1] and all(one.equal for one in found)
    _, (one,) = again(study, tried, seed=1)
    assert one.stored.seed == 1 and one.equal
    _, (one,) = again(study, finals.pop(), seed=0)  # the trial of the cell that has a final run too
    assert one.stored.role == "trial" and one.equal


def test_blocks_with_a_split_of_their_own(design, people):
    rows = [row for row in read_lines(design / ROWS, RunResult) if row.role == "ablation"]
    for row in rows[:2]:
        _, (one,) = again(design, row.cell, seed=row.seed, data=str(people))
        assert one.equal
    _, (one,) = again(design, "best", data=str(people))
    assert one.stored.role == "ablation"
    control = next(row for row in read_lines(design / ROWS, RunResult) if row.role == "control")
    _, (one,) = again(design, control.cell, seed=control.seed, data=str(people))
    assert one.stored.role == "control" and one.equal


def test_a_seed_that_trained_in_a_cohort_is_the_same_alone(place, course, monkeypatch):
    monkeypatch.setitem(device.COHORT, "cpu", 4)
    request = SearchRequest(
        space=str(place / "tiny.toml"), data=str(course), n_trials=1, epochs=2, workers=0, final_seeds=3, device="cpu",
        name="cohort", out=place, command=f"kpbench search --data {course}", max_parameters=6_000_000,
    )  # fmt: skip
    folder = search(prepare_search(request), quiet, quiet)
    _, (one,) = again(folder, "best", seed=2)
    assert one.stored.role == "final" and one.stored.seed == 2 and one.equal


@pytest.fixture
def copied(study, tmp_path):
    """A study that may be spoilt."""
    return shutil.copytree(study, tmp_path / "copied")


def rewrite(folder, change):
    """Changes every row of a study; `change` gets it as a mapping."""
    lines = (folder / ROWS).read_text().splitlines()
    (folder / ROWS).write_text("".join(json.dumps(change(json.loads(line))) + "\n" for line in lines))


def test_a_run_that_was_stopped_early_is_trained_as_far(copied):
    def cut(row):
        if row["role"] == "final":
            return row
        curve = row["curve"][:2]
        last = {"val_mse": curve[-1]["val_mse"], "val_score": curve[-1]["val_score"]}
        return row | {"state": "pruned", "epochs": 2, "curve": curve} | last

    rewrite(copied, cut)
    seen = []
    cell = next(row.cell for row in read_lines(copied / ROWS, RunResult) if row.role == "trial")
    _, (one,) = again(copied, cell, seed=0, notify=seen.append)
    assert one.equal
    assert [event.epoch for event in seen if isinstance(event, Advanced)] == [1, 2]
    with pytest.raises(UsageError, match="stopped early, after 2 epochs, and leaves no model"):
        again(copied, cell, seed=0, to=copied.parent / "model.safetensors")


def test_the_first_epoch_that_differs_is_named_and_what_may_be_why(copied):
    def touch(row):
        if row["role"] == "final":
            row["curve"][1]["val_mse"] *= 1 + 1e-6
            row["device"] = "a CPU of another kind"
        return row

    rewrite(copied, touch)
    sessions = json.loads((copied / SESSIONS).read_text().splitlines()[0])
    sessions["versions"] |= {"torch": "2.0.0"}
    del sessions["versions"]["recipe"]  # as sessions of the first versions
    (copied / SESSIONS).write_text(json.dumps(sessions) + "\n")
    prepared, (one,) = again(copied, "best")
    assert not one.equal and one.again == one.stored.val_mse
    assert one.first.epoch == 2 and one.first.stored.val_mse == pytest.approx(one.first.again.val_mse, rel=1e-5)
    assert set(prepared.differs) == {"torch", "recipe", "device"}
    assert prepared.differs["torch"][0] == "2.0.0" and prepared.differs["recipe"] == ("1", str(RECIPE))


def test_the_model_is_the_one_that_scores(study, course, tmp_path):
    _, (one,) = again(study, "1", to=tmp_path / "again.safetensors")
    benchmark = read_benchmark()
    val = load(str(course), **benchmark.splits.model_dump()).val
    network, _ = load_model(tmp_path / "again.safetensors")
    assert evaluate_model(network, Labelled(val, benchmark.coordinates)) == one.score


def failed(row):
    return row | {"state": "failed", "reason": "nan", "detail": "the loss is not finite in epoch 2", "val_mse": None}


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (None, {"cell": "bst"}, "has no cell 'bst'; did you mean 'best'"),
        (None, {"cell": "depth=9"}, "network.depth of copied is never '9'"),
        (None, {"cell": "best", "seed": 77}, "has no run with seed 77; it has 0, 1, 2"),
        (None, {"cell": "best", "device": "cudaa"}, "unknown device 'cudaa'"),
        (lambda folder: rewrite(folder, failed), {"cell": "depth=2"}, "failed .nan: the loss is not finite in epoch 2"),
        ("data", {"cell": "best"}, "are not found; --data says where they are"),
        ("other data", {"cell": "best"}, "these are not the faces that copied was trained on"),
        ("task", {"cell": "best"}, "the task has changed since copied was trained .coordinates"),
        ("rows", {"cell": "best"}, "has no run yet"),
    ],
)
def test_what_cannot_be_trained_again_is_refused(copied, tmp_path, course, spoil, options, message):
    if spoil == "task":
        plan = json.loads((copied / PLAN).read_text())
        plan["benchmark_text"] = plan["benchmark_text"].replace("centre = 48", "centre = 40")
        (copied / PLAN).write_text(json.dumps(plan))
    elif spoil == "rows":
        (copied / ROWS).unlink()
    elif spoil == "data":
        session = json.loads((copied / SESSIONS).read_text().splitlines()[0]) | {"command": "kpbench search 'torn"}
        (copied / SESSIONS).write_text(json.dumps(session) + "\n")
    elif spoil == "other data":
        other = shutil.copytree(course, tmp_path / "other")
        lines = (other / "val.csv").read_text().splitlines(keepends=True)
        (other / "val.csv").write_text("".join(lines[:-1]))
        options = options | {"data": str(other)}
    elif spoil:
        spoil(copied)
    with pytest.raises(UsageError, match=message):
        again(copied, **options)


@pytest.mark.parametrize(
    ("name", "cell", "message"),
    [
        ("model.pt", "best", r"a model is kept as .safetensors; write .*model.safetensors"),
        ("nowhere/model.safetensors", "best", "there is no folder"),
        ("copied/model.safetensors", "best", "lies in the study, which stays as it is"),
        ("model.safetensors", "2", "the trial has seeds 0, 1; say which with --seed"),
    ],
)
def test_a_place_for_the_model_is_checked_before_training(copied, tmp_path, name, cell, message):
    with pytest.raises(UsageError, match=message):
        again(copied, cell, to=tmp_path / name)
