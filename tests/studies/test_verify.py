"""`kpbench verify faces` end to end with a scripted trainer: whole, cut, finished, partial, and asked wrongly."""

import math
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from kpbench.analysis.verify import as_json, read_verification
from kpbench.engine.planned import unscored
from kpbench.errors import UsageError
from kpbench.seeds import derive
from kpbench.space import design
from kpbench.space.design import FIRST_BLOCK
from kpbench.store.files import SESSIONS
from kpbench.store.plan import read_plan
from kpbench.studies import ablation, forecast, planned_runs, verify
from kpbench.studies.ablation_request import AblationRequest, prepare_ablation
from kpbench.studies.preflight import prepare_task
from kpbench.studies.verify import dry_run, mean_face_mse, prepare_verify
from kpbench.task.score import score_from_mse
from tests.course_files import write_course
from tests.scripted import play

SPACE = """
family = "cnn"
[network]
depth = [2, 3]
norm = ["none", "batch", "spatial_batch"]
dropout = ["none", "spatial"]
width = 4
head_width = 8
[training]
batch_size = 8
"""

EFFECT = {"none": 1.0, "batch": 0.8, "spatial_batch": 0.6, 2: 1.1, 3: 1.0}


def quiet(*_):
    """Shows nothing."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Few faces in place of the 2,140 that are built in."""
    return write_course(tmp_path_factory.mktemp("drawn") / "drawn", seed=1)


@pytest.fixture
def asked(tmp_path, course, drawn, monkeypatch):
    path = tmp_path / "tiny.toml"
    path.write_text(SPACE)
    task = prepare_task(str(path), "auto", 1)
    read = type(task).read_faces

    def read_faces(self, source, say):
        found = read(self, str(drawn) if source == "synthetic" else source, say)
        return found.__class__(**{**vars(found), "name": "synthetic"}) if source == "synthetic" else found

    monkeypatch.setattr(type(task), "read_faces", read_faces)
    return {
        "data": str(course), "space": str(path), "levels": {"depth": ("2", "3")}, "seeds": 2, "epochs": 1, "workers": 0,
        "out": tmp_path / "reports",
    }  # fmt: skip


@pytest.fixture
def scripted(monkeypatch):
    """Replaces training and scoring by a made-up truth; counts the runs, and stops before the one in `stop`."""
    state = {"runs": 0, "stop": None, "lose": ()}

    def true_mse(params, seed):
        noise = np.random.default_rng(derive(seed, str(sorted(params.items())))).normal(0, 0.03)
        return 0.004 * EFFECT[params["network.norm"]] * EFFECT[params["network.depth"]] * math.exp(noise)

    def run(queue, *_):
        def mse(job, seed, epoch):
            if state["stop"] == state["runs"]:
                raise KeyboardInterrupt
            state["runs"] += 1
            return true_mse(job.params, seed)

        play(queue, mse, lose=state["lose"])

    def scored(pool, study, task, splits, row, command, *, judged="test", measures=()):
        if row.state != "complete":
            return unscored(row)
        mse = true_mse(row.params, row.seed)
        also = {"val of course": 2 * mse} if measures else None
        scores = {f"{judged}_mse": mse, f"{judged}_score": score_from_mse(mse)}
        return unscored(replace(row, **scores, measures=also))

    for count in ("flops", "step_megabytes"):
        monkeypatch.setattr(ablation, count, lambda cell: 1.0)  # seconds a study, and no part of this
    monkeypatch.setattr(ablation, "run_queue", run)
    monkeypatch.setattr(planned_runs, "score_row", scored)
    return state


def run(asked, **more):
    return verify.verify(prepare_verify(AblationRequest(**{**asked, **more})), quiet, quiet)


def everything(folder):
    """Each file below a folder with its bytes."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_studies_of_one_design(asked, scripted):
    folder = run(asked)
    assert folder == asked["out"] / "verify-course"
    assert scripted["runs"] == 2 * 24
    plans = [read_plan(folder / name) for name in ("synthetic", "course")]
    assert plans[0].design.cells == plans[1].design.cells
    assert len(plans[0].design.cells) == 12
    assert plans[0].design.blocks == plans[1].design.blocks == (FIRST_BLOCK, FIRST_BLOCK + 1)
    assert [plan.design.split for plan in plans] == ["val", "val"]
    assert plans[0].design.also.startswith("course ")
    assert plans[1].design.also is None
    assert [plan.data_name for plan in plans] == ["synthetic", "course"]
    found = read_verification(folder)
    assert found.missing == (0, 0)
    assert found.result.agreement.tau > 0.9  # both studies have the very same made-up truth
    assert [sign.same_direction for sign in found.result.contrasts[:2]] == [True, True]  # the two norms
    transfer = found.result.transfer
    assert transfer.cells.score == pytest.approx(transfer.real_cells.score / 2, rel=0.05)


def test_the_mean_face_is_the_floors(asked, scripted, course, tmp_path):
    """The mean face of a data set on its own validation faces is what the floor's network scores there."""
    built_in, _ = prepare_verify(AblationRequest(**asked)).studies
    splits = built_in.task.read_faces(str(course), quiet)
    mse = mean_face_mse(splits, splits.val, built_in.task.benchmark.coordinates)
    folder = run(asked)
    assert score_from_mse(mse) == pytest.approx(
        read_verification(folder).studies[1].floor["mean face"]["val"], rel=1e-5
    )
    other = read_verification(folder).result.transfer.mean_face
    assert other != pytest.approx(score_from_mse(mse), rel=1e-5)
    assert 1 < other < 1000


def test_a_finished_verification_is_only_read(asked, scripted):
    folder = run(asked)
    before = everything(folder)
    again = run(asked)
    assert again == folder
    assert scripted["runs"] == 48
    assert everything(folder) == before


@pytest.mark.parametrize("stop", [5, 30])
def test_a_cut_one_continues(asked, scripted, stop, tmp_path):
    whole = read_verification(run(asked, out=tmp_path / "whole"))
    scripted.update(runs=0, stop=stop)
    with pytest.raises(KeyboardInterrupt):
        run(asked)
    folder = asked["out"] / "verify-course"
    partial = read_verification(folder)
    assert partial.result is None
    assert sum(partial.missing) == 48 - stop
    if stop == 30:
        sessions = (folder / "synthetic" / SESSIONS).read_bytes()
    scripted["stop"] = None
    found = read_verification(run(asked))
    assert scripted["runs"] == 48
    assert found.missing == (0, 0)
    assert found.result.agreement == whole.result.agreement
    if stop == 30:
        assert (folder / "synthetic" / SESSIONS).read_bytes() == sessions


def test_lost_runs_are_said_and_run_again(asked, scripted):
    scripted["lose"] = (3,)
    folder = run(asked)
    found = read_verification(folder)
    assert found.missing == (1, 1)
    assert found.result is None
    scripted["lose"] = ()
    assert read_verification(run(asked)).missing == (0, 0)


def test_a_dry_run_writes_nothing_and_counts_what_is_left(asked, scripted, monkeypatch):
    monkeypatch.setattr(forecast, "epoch_seconds", lambda cell, staged: 60.0)
    prepared = prepare_verify(AblationRequest(**asked))
    said = dry_run(prepared, quiet)
    assert not asked["out"].exists()
    assert len(said["cells"]) == 12
    assert said["synthetic"].startswith("24 of 24 runs to do; plan ")
    assert said["minutes"] == 48  # a minute an epoch and run
    faces = prepared.studies[1].task.read_faces(asked["data"], quiet).train
    longer = prepare_verify(AblationRequest(**asked | {"epochs": None, "images": len(faces) + 1}))
    twice = dry_run(longer, quiet)
    assert twice["minutes"] == 96 and twice["each"] == f"2 epochs, {2 * len(faces)} images of course"
    folder = run(asked)
    before = everything(folder)
    said = dry_run(prepared, quiet)
    assert said["course"] == f"0 of 24 runs to do; plan {read_plan(folder / 'course').digest}"
    assert said["minutes"] == 0
    assert everything(folder) == before


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"data": "synthetic"}, "'synthetic' cannot be compared with itself; give the real faces"),
        ({"data": "nowhere.zip"}, r"nowhere\.zip"),
        ({"data": "sythetic"}, "unknown data set 'sythetic'"),
        ({"seeds": 1}, "--seeds must be at least 2"),
        ({"seeds": 100}, "1200 runs; fewer levels or seeds, or --yes"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"levels": {"dept": ("2",)}}, "unknown factor 'dept'; did you mean 'depth'"),
        ({"levels": {"width": ("4",)}}, "names network.width, which is no factor"),
        ({"levels": {"norm": ("none", "bath"), "depth": ("2", "3")}}, "did you mean 'batch'"),
        ({"levels": None}, "network.depth has no level '4'"),
        ({"space": "cnn_smal"}, "did you mean 'cnn_small'"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(asked, scripted, more, says):
    with pytest.raises(UsageError, match=says) as refusal:
        run(asked, **more)
    assert "\n" not in str(refusal.value)
    assert not asked["out"].exists()


def test_faces_called_like_the_built_in_ones_are_refused(asked, scripted, tmp_path):
    path = write_course(tmp_path / "synthetic", seed=2)
    with pytest.raises(UsageError, match="is called 'synthetic' as the built-in faces are; rename"):
        run(asked, data=str(path))
    assert not asked["out"].exists()


def test_another_request_does_not_touch_the_studies(asked, scripted):
    folder = run(asked)
    before = everything(folder)
    with pytest.raises(UsageError, match=r"another plan .*epochs 1 -> 2.*another --out"):
        run(asked, epochs=2)
    assert everything(folder) == before


def test_a_study_with_more_seeds_is_taken_as_it_is(asked, scripted):
    """A study made by `kpbench ablate` with more seeds and an A/A arm is continued and compared as it is."""
    factors = ("norm", "dropout", "depth")
    more = AblationRequest(
        factors=factors, cross=factors, levels=asked["levels"], space=asked["space"], data=asked["data"], seeds=3,
        epochs=1, workers=0, out=asked["out"] / "verify-course", name="course",
    )  # fmt: skip
    scripted["stop"] = 20
    with pytest.raises(KeyboardInterrupt):
        ablation.ablate(prepare_ablation(more), quiet, quiet)
    scripted["stop"] = None
    folder = run(asked)
    assert scripted["runs"] == 24 + 3 * 12 + 3
    found = read_verification(folder)
    assert found.asked.runs == (24, 39)
    assert found.missing == (0, 0)
    assert [len(study.table.blocks) for study in found.studies] == [2, 3]
    before = everything(folder)
    run(asked)
    assert everything(folder) == before
    with pytest.raises(UsageError, match=r"another plan .*seeds 2 -> 3"):
        run(asked, seeds=3)  # more than the built-in study has


@pytest.fixture
def earlier(asked, scripted, monkeypatch):
    """A verification as earlier versions made it: judged on the sealed test, run seeds 0 and 1."""
    with monkeypatch.context() as before:
        before.setattr(design, "FIRST_BLOCK", 0)
        return run(asked, split="test")


@pytest.mark.parametrize("seeds_as_found", [True, False])
def test_studies_of_an_earlier_version_are_taken_as_they_are(asked, scripted, earlier, seeds_as_found):
    before = everything(earlier)
    seeds = {"seeds": 8} if seeds_as_found else {}
    prepared = prepare_verify(AblationRequest(**{**asked, **seeds}), seeds_as_found=seeds_as_found)
    said = dry_run(prepared, quiet)
    assert said["course"].startswith("0 of 24 runs to do")
    assert verify.verify(prepared, quiet, quiet) == earlier
    assert scripted["runs"] == 48
    assert everything(earlier) == before
    found = read_verification(earlier)
    assert (found.missing, as_json(found)["split"]) == ((0, 0), "test")
    with pytest.raises(UsageError, match=r"another plan .*seeds 2 -> 3"):
        run(asked, seeds=3)


@pytest.mark.parametrize(("lost", "left"), [("course", "synthetic"), ("synthetic", "course")])
def test_the_other_study_of_an_earlier_version_is_made_like_it(asked, scripted, earlier, lost, left):
    shutil.rmtree(earlier / lost)
    prepared = prepare_verify(AblationRequest(**{**asked, "seeds": 8}), seeds_as_found=True)
    verify.verify(prepared, quiet, quiet)
    assert scripted["runs"] == 48 + 24
    made, kept = (read_plan(earlier / name).design for name in (lost, left))
    assert (made.blocks, made.split) == (kept.blocks, kept.split) == ((0, 1), None)
    assert read_verification(earlier).result is not None


def test_a_folder_that_cannot_be_made(asked, scripted):
    asked["out"].write_text("a file")
    with pytest.raises(UsageError, match="choose another --out"):
        run(asked)
    assert asked["out"].read_text() == "a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(asked, scripted):
    asked["out"].mkdir(mode=0o500)
    with pytest.raises(UsageError, match="cannot write to"):
        run(asked)


def test_other_factors_are_crossed_in_a_folder_of_their_own(asked, monkeypatch):
    monkeypatch.setattr(forecast, "epoch_seconds", lambda cell, staged: 60.0)
    prepared = prepare_verify(AblationRequest(**asked | {"levels": {"head": ("softargmax", "fc")}, "space": "heads"}),
                              factors=("head", "members"))  # fmt: skip
    said = dry_run(prepared, quiet)
    assert said["folder"].endswith("verify-course-head-members")
    assert len(said["cells"]) == 4
    assert set(prepared.studies[0].design.factors) == {"network.head", "network.members"}


def test_the_defaults_ask_what_the_ablation_would():
    """The two studies are plain ablations, so that studies made by `kpbench ablate` are found again."""
    built_in, real = prepare_verify(AblationRequest(seeds=4, data="faces.zip")).studies
    factors = ("norm", "dropout", "depth")
    plain = prepare_ablation(
        AblationRequest(
            factors=factors, cross=factors, levels={"depth": ("2", "4")}, seeds=4, control=False, also="faces.zip"
        )
    )
    assert built_in.design == real.design == plain.design
    assert (len(plain.design.cells), plain.design.runs) == (18, 72)
    assert built_in.task.epochs == built_in.task.benchmark.budget.epochs
    assert (built_in.request.data, built_in.request.also) == ("synthetic", "faces.zip")
    assert (real.request.data, real.request.also) == ("faces.zip", None)
    asked = AblationRequest(seeds=4, data="faces.zip", levels={"norm": ("none", "batch")})
    _, named = prepare_verify(asked).studies
    assert named.design.factors["network.depth"] == (4, 2)
    assert named.design.factors["network.norm"] == ("none", "batch")
