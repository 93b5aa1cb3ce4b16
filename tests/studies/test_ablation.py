"""An ablation end to end: a planted effect comes back, cut studies continue, partial ones give no verdict."""

import json
import math
from collections import Counter

import numpy as np
import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.json import as_json, seeds_for_effect
from kpbench.engine.jobs import Failure
from kpbench.errors import UsageError
from kpbench.networks.families import flops
from kpbench.report.ablation.page import render_ablation
from kpbench.report.ablation.words import conclusion
from kpbench.report.search.reader import read_sessions_and_readings
from kpbench.seeds import derive
from kpbench.statistics.power import seeds_for
from kpbench.store.files import MODELS, READINGS, read_lines
from kpbench.store.plan import read_plan
from kpbench.store.study import Reading
from kpbench.studies import ablation, planned_runs
from kpbench.studies.ablation import AblationRequest, ablate, dry_run, prepare_ablation
from kpbench.task.score import score_from_mse
from tests.course_files import write_course
from tests.scripted import play, quiet, rows

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

EFFECT = {"none": 1.0, "batch": 1.0, "spatial_batch": 0.8}
"""Planted ratios of MSE."""


@pytest.fixture
def asked(tmp_path, course):
    path = tmp_path / "tiny.toml"
    path.write_text(SPACE)
    return {
        "factors": ("norm",), "space": str(path), "data": str(course), "seeds": 8, "epochs": 2, "workers": 0,
        "out": tmp_path / "reports",
    }  # fmt: skip


def true_mse(params, seed):
    """A made-up truth: a planted effect, a block's own luck that cells share, and noise of each run."""
    block = np.random.default_rng(derive(seed, "block")).normal(0, 0.2)
    noise = np.random.default_rng(derive(seed, str(sorted(params.items())))).normal(0, 0.03)
    return 0.004 * EFFECT[params["network.norm"]] * math.exp(block + noise)


def script(monkeypatch, truth, diverged=()):
    """Replaces training and scoring by a made-up truth; (norm, seed) pairs in `diverged` diverge."""

    def run(queue, staged, workers):
        def mse(job, seed, epoch):
            if (job.params["network.norm"], seed) in diverged:
                return Failure(reason="nan", detail="not finite")
            return truth(job.params, seed)

        play(queue, mse)

    def scored(study, task, splits, row, command, *, measures=()):
        if row.state != "complete":
            return row
        splits.test.open(study.test_reading(command, row.cell))
        mse = truth(row.params, row.seed)
        return row.model_copy(update={"test_mse": mse, "test_score": score_from_mse(mse)})

    monkeypatch.setattr(ablation, "run_queue", run)
    monkeypatch.setattr(planned_runs, "score_row", scored)


@pytest.fixture
def planted(monkeypatch):
    """The made-up truth; a seed in `planted` diverges."""
    diverged = set()
    script(monkeypatch, true_mse, diverged)
    return diverged


def run(asked, **more):
    return ablate(prepare_ablation(AblationRequest(**{**asked, **more})), quiet, quiet)


def test_a_planted_effect_comes_back(asked, planted):
    folder = run(asked)
    found = as_json(analyse(folder))
    batch, spatial = found["contrasts"]
    assert (spatial["factor"], spatial["level"], spatial["baseline"]) == ("network.norm", "spatial_batch", "none")
    assert spatial["ratio"] == pytest.approx(0.8, abs=0.03)
    assert spatial["ci"][0] < 0.8 < spatial["ci"][1]
    assert spatial["verdict"] == "better"
    assert spatial["p_adjusted"] < 0.01
    assert batch["verdict"] in ("equivalent", "undecided")
    assert batch["ci"][0] < 1 < batch["ci"][1]
    assert found["control"]["ci"][0] < 1 < found["control"]["ci"][1]
    assert found["missing"] == 0
    assert "norm spatial_batch against none: better" in conclusion(analyse(folder))
    assert json.dumps(found)
    levels = {level["level"]: level for level in found["levels"]}
    assert levels["spatial_batch"]["score"] / levels["none"]["score"] == pytest.approx(1 / spatial["ratio"])
    assert "parameters" in levels["batch"]["cost"]["flagged"]
    assert "parameters" not in levels["spatial_batch"]["cost"]["flagged"]


def test_pairing_matters(asked, planted):
    """Blocks vary by 20 %, runs by 3 %: only a paired comparison finds 20 % with 8 seeds so surely."""
    contrast = analyse(run(asked)).contrasts[1]
    assert contrast.checks.correlation > 0.9
    assert contrast.estimate.sd < 0.08


def test_crossed_factors_give_marginal_effects_interactions_and_variance(asked, planted):
    found = analyse(run(asked, cross=("depth",)))
    assert len(found.design.cells) == 6
    assert [c.effect for c in found.contrasts] == ["marginal", "marginal"]
    assert found.contrasts[1].ratio == pytest.approx(0.8, abs=0.03)
    assert len(found.interactions) == 2
    assert sum(term.share for term in found.variance) == pytest.approx(1)
    norm = next(term for term in found.variance if term.factors == ("network.norm",))
    assert norm.share > 0.1


def test_a_diverged_seed_counts_with_the_mean_face(asked, planted):
    planted.add(("spatial_batch", 3))
    folder = run(asked)
    found = analyse(folder)
    mean_face = found.floor["mean face"]["test"]
    assert found.contrasts[1].failed == 1
    assert score_from_mse(np.nanmax(found.table.mse)) == pytest.approx(mean_face)
    assert found.contrasts[1].n == 8
    assert found.contrasts[1].survivors.n == 7
    assert found.missing == 0
    before = len(rows(folder))
    run(asked)
    assert len(rows(folder)) == before  # a divergence is an outcome, not trained again


def test_few_seeds_give_no_verdict(asked, planted):
    assert {c["verdict"] for c in as_json(analyse(run(asked, seeds=3)))["contrasts"]} == {"withheld"}


def test_a_cut_study_gives_no_verdict_and_ends_like_an_uncut_one(asked, planted, monkeypatch, tmp_path):
    whole = run(asked, out=tmp_path / "whole")
    real = ablation.run_queue

    def cut(queue, staged, workers):
        left = 11
        tell = queue.tell

        def telling(job, crash=None):
            nonlocal left
            tell(job, crash)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        queue.tell = telling
        real(queue, staged, workers)

    with monkeypatch.context() as patch:
        patch.setattr(ablation, "run_queue", cut)
        with pytest.raises(KeyboardInterrupt):
            run(asked)
    (folder,) = asked["out"].iterdir()
    partial = as_json(analyse(folder))
    assert partial["missing"] == 32 - 11
    assert {c["verdict"] for c in partial["contrasts"]} == {"incomplete"}
    run(asked)
    again, uncut = as_json(analyse(folder)), as_json(analyse(whole))
    assert again["contrasts"] == uncut["contrasts"]
    assert len(rows(folder)) == len({(r.role, r.cell, r.seed) for r in rows(folder)}) == 32


def test_the_plan_is_written_before_the_first_run_and_the_order_is_random(asked, planted):
    folder = run(asked)
    design = read_plan(folder).design
    assert design.sesoi == 0.05
    order = [(r.role, r.params["network.norm"], r.seed) for r in rows(folder)]
    assert order != sorted(order, key=str)
    assert Counter(r.role for r in rows(folder)) == {"ablation": 24, "control": 8}
    cells = {r.cell for r in rows(folder) if r.role == "control"}
    assert cells == {r.cell for r in rows(folder) if r.role == "ablation" and r.params["network.norm"] == "none"}
    with pytest.raises(UsageError, match="design"):
        run({**asked, "name": folder.name}, sesoi=0.1)


def test_a_real_ablation_trains_scores_and_leaves_no_model(asked):
    folder = run(asked, factors=("dropout",), seeds=2, epochs=1)
    found = rows(folder)
    assert len(found) == 6
    assert all(r.state == "complete" and r.test_score and r.val_score and r.model is None for r in found)
    assert list((folder / MODELS).iterdir()) == []
    readings = read_lines(folder / READINGS, Reading)
    assert len(readings) == 6 + 2  # each run once, the floor's two
    by_block = {(r.params["network.dropout"], r.seed): r for r in found if r.role == "ablation"}
    assert len(by_block) == 4
    for row in found:
        assert np.mean(row.face_mse) == pytest.approx(row.test_mse, rel=1e-4)
        assert np.mean(np.square(row.keypoint_px)) == pytest.approx(48**2 * row.test_mse, rel=1e-4)
    assert as_json(analyse(folder))["levels"][0]["cost"]["flops"] > 1e5


def test_flops_are_counted_by_hand():
    params = {"family": "cnn", "network.depth": 1, "network.width": 2, "network.head_width": 0, "network.kernel": 3}
    # conv: 2 * 96^2 * 2 * 9; linear: 2 * (2 * 48^2) * 30.
    assert flops(params) == 2 * 96**2 * 2 * 9 + 2 * (2 * 48**2) * 30


def test_a_dry_run_says_cells_runs_time_and_what_can_be_found(asked):
    said = dry_run(prepare_ablation(AblationRequest(**{**asked, "cross": ("dropout",)})), quiet)
    assert len(said["cells"]) == 6
    assert said["runs"].startswith("56: 6 cells x 8 seeds, 8 A/A")
    assert said["minutes"] >= 0
    assert "standard deviations" in said["detectable"]
    assert not asked["out"].exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"factors": ("nrm",)}, "unknown factor 'nrm': did you mean 'norm'"),
        ({"factors": ("width",)}, "has one level"),
        ({"levels": {"norm": ("none", "spatal_batch")}}, "did you mean 'spatial_batch'"),
        ({"levels": {"depth": ("2", "3")}}, "no factor of this ablation"),
        ({"baseline": {"norm": "layer"}}, "has no level 'layer'"),
        ({"cross": ("depth", "dropout"), "seeds": 40}, "12 cells x 40 seeds are 520 runs; .*--yes"),
        ({"seeds": 1}, "--seeds must be at least 2"),
        ({"sesoi": 0.0}, "--sesoi must lie between"),
        ({"alpha": 2.0}, "--alpha must lie between"),
        ({"correction": "bonferoni"}, "unknown correction"),
        ({"data": "nowhere.zip"}, "nowhere.zip"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(asked, more, says):
    with pytest.raises(UsageError, match=says) as refusal:
        run(asked, **more)
    assert "\n" not in str(refusal.value)
    assert not asked["out"].exists()


def test_all_takes_every_factor(asked):
    prepared = prepare_ablation(AblationRequest(**{**asked, "factors": ("all",)}))
    assert set(prepared.design.factors) == {"network.depth", "network.norm", "network.dropout"}
    assert len(prepared.cells) == 1 + 1 + 2 + 1


def test_power_is_told_from_the_studys_own_noise(asked, planted):
    found = analyse(run(asked))
    few = seeds_for_effect(found, sesoi=0.2)[1]["seeds"]
    many = seeds_for_effect(found, sesoi=0.02)[1]["seeds"]
    assert 2 <= few < many
    # By the book: the smallest n at which a paired t test with alpha / 2 contrasts has 80 % power.
    d_z = math.log1p(0.02) / found.contrasts[1].estimate.sd
    assert many == seeds_for(d_z, contrasts=2)
    with pytest.raises(UsageError, match="--effect must lie"):
        seeds_for_effect(found, sesoi=1.5)


TUNED = """
family = "cnn"
[network]
depth = [2, 3]
norm = ["none", "batch", "spatial_batch"]
width = 4
head_width = 8
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
batch_size = 8
"""

BEST_LR = {"none": 1e-3, "batch": 1e-3, "spatial_batch": 8e-3}
"""Each norm's own optimum: a recipe fixed for all would hide what a norm can do."""


def tuned_truth(params, seed):
    off = math.log(params["training.lr"] / BEST_LR[params["network.norm"]])
    return true_mse({k: v for k, v in params.items() if k != "training.lr"}, seed) * math.exp(0.2 * off**2)


@pytest.fixture
def tunable(asked, tmp_path, monkeypatch):
    path = tmp_path / "tuned.toml"
    path.write_text(TUNED)
    script(monkeypatch, tuned_truth)
    return {**asked, "space": str(path), "tune_trials": 12}


def test_tuning_per_cell_gives_each_level_its_own_recipe_and_equal_trials(tunable):
    folder = run(tunable, tune="per-cell")
    found = rows(folder)
    tuning = [row for row in found if row.role == "tuning"]
    assert Counter(row.params["network.norm"] for row in tuning) == {"none": 12, "batch": 12, "spatial_batch": 12}
    rates = {norm: {r.params["training.lr"] for r in tuning if r.params["network.norm"] == norm} for norm in BEST_LR}
    assert rates["none"] == rates["batch"] == rates["spatial_batch"]
    assert {row.seed for row in tuning} & set(read_plan(folder).design.blocks) == set()
    assert all(row.test_mse is None for row in tuning)
    readings = read_lines(folder / READINGS, Reading)
    assert len(readings) == 2 + read_plan(folder).design.runs  # the floor's two, and one for each run that is scored
    for norm, best in BEST_LR.items():
        (used,) = {r.params["training.lr"] for r in found if r.role == "ablation" and r.params["network.norm"] == norm}
        seen = [row for row in tuning if row.params["network.norm"] == norm]
        assert used == min(seen, key=lambda row: row.val_mse).params["training.lr"]
        assert abs(math.log(used / best)) < 0.7
    analysis = analyse(folder)
    assert [(cell.trials, cell.epochs, cell.failed) for cell in analysis.tuning] == [(12, 24, 0)] * 3
    assert analysis.missing == 0
    assert [one["trials"] for one in as_json(analysis)["tuning"]] == [12] * 3
    page = render_ablation(analysis, *read_sessions_and_readings(folder))
    assert "12 recipes of 2 epochs were planned for each cell that was tuned. Every one had all of them." in page
    assert "each cell with the best of 12 recipes" in page


def test_locked_tuning_gives_all_levels_the_baselines_recipe(tunable):
    folder = run(tunable, tune="locked")
    found = rows(folder)
    assert {row.params["network.norm"] for row in found if row.role == "tuning"} == {"none"}
    assert len({row.params["training.lr"] for row in found if row.role == "ablation"}) == 1


def test_a_cut_tuning_goes_on_where_it_was(tunable, monkeypatch):
    def cut(queue, staged, workers):
        play(queue, lambda job, seed, epoch: tuned_truth(job.params, seed), interrupt=11)

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(ablation, "run_queue", cut)
        run(tunable, tune="per-cell")
    folder = run(tunable, tune="per-cell")
    tuning = [row.cell for row in rows(folder) if row.role == "tuning"]
    assert len(tuning) == len(set(tuning)) == 36


def test_a_space_without_ranges_has_nothing_to_tune(asked):
    with pytest.raises(UsageError, match="no range to tune"):
        prepare_ablation(AblationRequest(**{**asked, "tune": "locked"}))


def test_a_size_matched_control_has_the_levels_size(asked, planted):
    prepared = prepare_ablation(AblationRequest(**{**asked, "match": "params"}))
    (batch,) = prepared.design.matched  # spatial batch norm adds next to nothing and needs none
    assert (batch.factor, batch.level) == ("network.norm", "batch")
    assert abs(batch.parameters / batch.wanted - 1) < 0.1
    assert batch.change["network.width"] > 4
    folder = ablate(prepared, quiet, quiet)
    matched = [row for row in rows(folder) if row.role == "matched"]
    assert [row.parameters for row in matched] == [batch.parameters] * 8
    assert {row.seed for row in matched} == set(prepared.design.blocks)
    found = analyse(folder)
    (control,) = found.size
    by_seed = {row.seed: row.test_mse for row in matched}
    level = {r.seed: r.test_mse for r in found.rows if r.role == "ablation" and r.params["network.norm"] == "batch"}
    logs = [math.log(level[seed] / by_seed[seed]) for seed in by_seed]
    assert control.contrast.ratio == pytest.approx(math.exp(np.mean(logs)))
    assert control.contrast.n == 8
    (plain,) = as_json(found)["size_matched"]
    assert plain["ratio"] == control.contrast.ratio and plain["parameters"] == batch.parameters
    page = render_ablation(found, *read_sessions_and_readings(folder))
    assert "At the same size" in page and f"baseline with width={batch.change['network.width']}" in page
    assert found.missing == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"match": "size"}, "unknown --match 'size'"),
        ({"match": "params", "tune": "per-cell"}, "use --tune locked"),
        ({"match": "params", "factors": ("depth", "network.width")}, "network.width, which is a factor"),
    ],
)
def test_a_control_that_cannot_be_is_refused(asked, more, words, tmp_path):
    text = (tmp_path / "tiny.toml").read_text().replace("width = 4", "width = [4, 6]", 1)
    (tmp_path / "tiny.toml").write_text(text)
    with pytest.raises(UsageError, match=words):
        prepare_ablation(AblationRequest(**{**asked, **more}))


def test_a_recipe_that_breaks_is_tried_once_more_and_choices_stay(tunable, monkeypatch):
    """Memory that is short for a while must not change the recipes of cells that are scored already."""
    tried = Counter()

    def run_with(breaks):
        def run(queue, staged, workers):
            def mse(job, seed, epoch):
                tried[job.cell] += epoch == 1 and job.role == "tuning"
                short = breaks and job.role == "tuning" and 2e-3 < job.params["training.lr"] < 1e-2
                return Failure(reason="oom", detail="out of memory") if short else tuned_truth(job.params, seed)

            play(queue, mse)

        monkeypatch.setattr(ablation, "run_queue", run)

    run_with(True)
    folder = run(tunable, tune="per-cell")
    before = rows(folder)
    broken = sum(cell.failed for cell in analyse(folder).tuning)
    assert broken > 0 and set(tried.values()) == {1, 2}
    run_with(False)
    assert run(tunable, tune="per-cell") == folder
    assert rows(folder) == before
    assert analyse(folder).missing == 0
    assert sum(cell.failed for cell in analyse(folder).tuning) == broken


def test_a_size_that_is_tuned_cannot_be_matched(asked, tmp_path):
    text = (tmp_path / "tiny.toml").read_text().replace("width = 4", "width = { low = 4, high = 8 }", 1)
    (tmp_path / "tiny.toml").write_text(text)
    with pytest.raises(UsageError, match="while network.width is tuned".replace(".", r"\.")):
        prepare_ablation(AblationRequest(**{**asked, "match": "params", "tune": "locked"}))


def test_other_faces_leave_out_what_is_trained_on(asked, planted, course, tmp_path):
    with pytest.raises(UsageError, match="its faces are those of --data"):
        run(asked, also=str(course))
    mixed = tmp_path / "mixed"
    write_course(mixed, train=24, val=8, test=8, seed=9)
    lines = (course / "training.csv").read_text().splitlines()[1:4]
    with (mixed / "val.csv").open("a") as file:
        file.write("\n".join(lines) + "\n")
    folder = run(asked, also=str(mixed), name="mixed")
    notes = read_plan(folder).data_notes
    assert any("3 val faces of mixed are trained on here and left out" in note for note in notes)


def test_runs_of_another_study_of_the_task_are_taken_over(asked, planted, monkeypatch):
    """A part of a factorial is not trained again, and its numbers are those of the factorial."""
    whole = run(asked, factors=("norm",), cross=("depth",), name="whole")
    monkeypatch.setattr(ablation, "run_queue", lambda *_: pytest.fail("nothing is left to train"))
    folder = run(asked, reuse=("whole",), name="part")
    assert analyse(folder).missing == 0
    source = read_plan(whole).digest
    assert {row.taken_from for row in rows(folder)} == {source}
    there = {(r.role, r.cell, r.seed): r.test_mse for r in rows(whole)}
    assert all(there[r.role, r.cell, r.seed] == r.test_mse for r in rows(folder))
    assert len(rows(folder)) == read_plan(folder).design.runs == 32
    page = render_ablation(analyse(folder), *read_sessions_and_readings(folder))
    assert f"32 runs of 32 were trained and scored in another study of the same task (plan {source})" in page
    assert "more than once for each run that is counted" not in page


def test_runs_of_another_task_are_not_taken(asked, planted):
    run(asked, name="short")
    with pytest.raises(UsageError, match="its runs are not of this task: epochs 2 against 3"):
        run(asked, epochs=3, reuse=("short",), name="long")
    with pytest.raises(UsageError, match="no study 'nowhere'"):
        prepare_ablation(AblationRequest(**{**asked, "reuse": ("nowhere",)}))


def test_runs_without_the_measures_asked_for_are_trained_again(asked, planted):
    run(asked, name="plain")
    folder = run(asked, shifts=(0, 2), reuse=("plain",), name="shifted")
    assert {row.taken_from for row in rows(folder)} == {None}


def test_a_range_of_another_family_than_the_baselines_can_be_tuned(asked, tmp_path):
    (tmp_path / "tiny.toml").write_text("""
family = ["mlp", "cnn"]
[network]
depth = 2
norm = ["none", "batch"]
kernel = { low = 3, high = 5, when = { family = ["cnn"] } }
width = 4
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
""")
    prepared = prepare_ablation(AblationRequest(**{**asked, "tune": "per-cell", "tune_trials": 3}))
    assert set(prepared.design.tuning.spans) == {"network.kernel", "training.lr"}


def test_runs_that_were_scored_on_other_faces_are_not_taken(asked, planted, tmp_path):
    for name, seed in (("one", 5), ("two", 6)):
        write_course(tmp_path / name / "set", train=24, val=8, test=8, seed=seed)
    run(asked, also=str(tmp_path / "one" / "set"), name="one")
    with pytest.raises(UsageError, match="not scored on the faces of --also"):
        run(asked, also=str(tmp_path / "two" / "set"), reuse=("one",), name="two")
    folder = run(asked, also=str(tmp_path / "one" / "set"), reuse=("one",), name="same")
    assert {row.taken_from for row in rows(folder)} == {read_plan(tmp_path / "reports" / "one").digest}
