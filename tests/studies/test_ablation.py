"""An ablation end to end: a planted effect comes back, cut studies continue, partial ones give no verdict."""

import json
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.json import as_json
from kpbench.analysis.ablation.needed import seeds_for_effect
from kpbench.cli.dry_runs import ablation_lines
from kpbench.engine import evaluate
from kpbench.engine.events import Notice
from kpbench.engine.jobs import Failure
from kpbench.engine.planned import unscored
from kpbench.errors import UsageError
from kpbench.networks.families import flops
from kpbench.report.ablation.page import render_ablation
from kpbench.report.ablation.verdicts import conclusion
from kpbench.report.search.reader import read_sessions_and_readings
from kpbench.seeds import derive
from kpbench.statistics.keypoint_errors import SCALARS
from kpbench.statistics.power import seeds_for
from kpbench.store.files import MODELS, READINGS, as_line, read_lines
from kpbench.store.plan import read_plan
from kpbench.store.values import Reading
from kpbench.studies import ablation, planned_runs
from kpbench.studies.ablation import ablate, dry_run
from kpbench.studies.ablation_request import AblationRequest, prepare_ablation
from kpbench.task.score import score_from_mse
from kpbench.training import device
from kpbench.training.fit import RECIPE
from tests.ablation_rows import study_folder
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

    def run(queue, *_):
        def mse(job, seed, epoch):
            if (job.params["network.norm"], seed) in diverged:
                return Failure(reason="nan", detail="not finite")
            return truth(job.params, seed)

        play(queue, mse)

    def scored(pool, study, task, splits, row, command, *, judged, measures=()):
        if row.state != "complete":
            return unscored(row)
        mse = truth(row.params, row.seed)
        if judged == "test":
            splits.test.open(study.test_reading(command, row.cell))
        return unscored(replace(row, **{f"{judged}_mse": mse, f"{judged}_score": score_from_mse(mse)}))

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
    planted.add(("spatial_batch", 1003))
    folder = run(asked)
    found = analyse(folder)
    mean_face = found.floor["mean face"]["val"]
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

    def cut(queue, *rest):
        left = 11
        tell = queue.tell

        def telling(job, crash=None):
            nonlocal left
            tell(job, crash)
            left -= 1
            if left == 0:
                raise KeyboardInterrupt

        queue.tell = telling
        real(queue, *rest)

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
    with pytest.raises(UsageError, match=r"exists with another plan \(sesoi 0\.05 -> 0\.1\); give"):
        run({**asked, "name": folder.name}, sesoi=0.1)


def test_how_long_to_train_is_a_factor(asked, tmp_path):
    (tmp_path / "long.toml").write_text(SPACE + "exposure = [1.0, 0.5]\n")
    folder = run({**asked, "space": str(tmp_path / "long.toml")}, factors=("exposure",), seeds=2, control=False)
    seen = {(r.params["training.exposure"], r.epochs, len(r.curve), r.images, r.state) for r in rows(folder)}
    faces = read_plan(folder).data_sizes["train"]
    assert seen == {(1.0, 2, 2, 2 * faces, "complete"), (0.5, 1, 1, faces, "complete")}
    assert len(as_json(analyse(folder))["levels"]) == 2


@pytest.mark.parametrize("split", ["test", "val"])
def test_a_real_ablation_trains_and_scores_on_the_split_it_is_judged_on(asked, split):
    folder = run(asked, factors=("dropout",), seeds=2, epochs=1, split=split)
    found = rows(folder)
    assert len(found) == 6
    assert all(r.state == "complete" and r.val_score and r.model is None for r in found)
    assert all((r.test_score is not None) == (split == "test") for r in found)
    assert len(list((folder / MODELS).iterdir())) == (0 if split == "test" else 12)  # kept for --confirm, cards too
    readings = read_lines(folder / READINGS, Reading)
    assert len(readings) == (6 + 2 if split == "test" else 0)  # each run once, the floor's two
    by_block = {(r.params["network.dropout"], r.seed): r for r in found if r.role == "ablation"}
    assert len(by_block) == 4
    for row in found:
        mse = getattr(row, f"{split}_mse")
        assert np.mean(row.face_mse) == pytest.approx(mse, rel=1e-4)
        assert np.mean(np.square(row.keypoint_px)) == pytest.approx(48**2 * mse, rel=1e-4)
        assert list(row.metrics) == list(SCALARS) and row.metrics["rmse_px"] == pytest.approx(48 * mse**0.5, rel=1e-4)
        assert row.metrics["rmse_px"] <= row.metrics["radial_mean_px"] * 2 and 0 <= row.metrics["pck_10"] <= 1
    level = as_json(analyse(folder))["levels"][0]
    assert level["metrics"]["nme"]["n"] == 2 and level["metrics"]["nme"]["low"] <= level["metrics"]["nme"]["mean"]
    assert analyse(folder).split == split and set(analyse(folder).floor["mean face"]) == {"val", split}
    assert as_json(analyse(folder))["levels"][0]["cost"]["flops"] > 1e5


def test_flops_are_counted_by_hand():
    params = {"family": "cnn", "network.depth": 1, "network.width": 2, "network.head_width": 0, "network.kernel": 3}
    # conv: 2 * 96^2 * 2 * 9; linear: 2 * (2 * 48^2) * 30.
    assert flops(params) == 2 * 96**2 * 2 * 9 + 2 * (2 * 48**2) * 30


def test_a_dry_run_says_cells_runs_time_and_what_can_be_found(asked):
    said = dry_run(prepare_ablation(AblationRequest(**{**asked, "cross": ("dropout",)})), quiet)
    assert len(said["cells"]) == 6
    runs = {"total": 56, "cells": 6, "seeds": 8, "control": 8, "matched": 0, "tuning": 0}
    assert (said["runs"], said["reuse"]) == (runs, {})
    assert said["minutes"] >= 0
    lines = list(ablation_lines(said | {"gpus_per_trial": None, "trial_timeout_s": None, "address": None}))
    assert "runs        56: 6 cells x 8 seeds, 8 A/A" in lines
    detectable = "detectable  changes of MSE by 4.1 to 19 %, with 80 % power, at the noise of most published contrasts"
    assert any(line.startswith(detectable) for line in lines)
    assert not asked["out"].exists()


def test_a_dry_run_says_what_a_preregistration_needs(asked, tmp_path):
    """The contrasts by the names that the results have, how many, and what judges them; as data too."""
    options = {"gpus_per_trial": None, "trial_timeout_s": None, "address": None}
    crossed = {**asked, "cross": ("dropout",), "contrast": ("norm=batch:spatial_batch @ dropout=none",), "sesoi": 0.03}
    said = dry_run(prepare_ablation(AblationRequest(**crossed | {"looks": (6, 8)})), quiet)
    family, lines = said["family"], list(ablation_lines(said | options))
    first = lines.index("contrasts   3 planned, Holm over them, alpha 0.05")
    assert lines[first + 1 : first + 7] == [
        " " * 12 + line
        for line in (
            "looks at 6, 8 seeds share this alpha",
            "smallest effect of interest 3 % of MSE",
            "norm batch against none",
            "norm spatial_batch against none",
            "norm batch against spatial_batch @ dropout=none",
            "and 2 interactions, a family of their own",
        )
    ]
    assert max(map(len, lines[first : first + 7])) <= 60
    assert (family["correction"], family["alpha"], family["sesoi"], family["looks"]) == ("holm", 0.05, 0.03, [6, 8])
    assert [one["effect"] for one in family["contrasts"]] == ["marginal", "marginal", "simple"]
    study = study_folder(tmp_path / "same", crossed=True, factors={"network.norm": ("none", "batch")})
    assert family["contrasts"][0].keys() <= as_json(analyse(study))["contrasts"][0].keys()
    single = dry_run(prepare_ablation(AblationRequest(**asked | {"levels": {"norm": ("none", "batch")}})), quiet)
    assert "contrasts   1 planned, alpha 0.05" in list(ablation_lines(single | options))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"factors": ("nrm",)}, "unknown factor 'nrm'; did you mean 'norm'"),
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
    design = read_plan(folder).design
    # Every cell in each of 8 blocks, the baseline in each of 8 blocks of the A/A cohort too.
    assert Counter(row.params["network.norm"] for row in tuning) == {"none": 192, "batch": 96, "spatial_batch": 96}
    by_block = {}
    for block in design.blocks:
        seed = design.tuning.of_block(block).seed
        mine = [row for row in tuning if row.seed == seed]
        rates = {n: {r.params["training.lr"] for r in mine if r.params["network.norm"] == n} for n in BEST_LR}
        assert rates["none"] == rates["batch"] == rates["spatial_batch"] and len(rates["none"]) == 12
        by_block[block] = rates["none"]
        for norm, best in BEST_LR.items():
            (used,) = [r for r in found if r.role == "ablation" and (r.params["network.norm"], r.seed) == (norm, block)]
            seen = [row for row in mine if row.params["network.norm"] == norm]
            assert used.params["training.lr"] == min(seen, key=lambda row: row.val_mse).params["training.lr"]
            assert abs(math.log(used.params["training.lr"] / best)) < 1.0
    assert len({frozenset(rates) for rates in by_block.values()}) == 8  # recipes are drawn anew in each block
    assert {row.seed for row in tuning} & {*design.blocks, *design.control} == set()
    assert all(row.test_mse is None for row in tuning)
    analysis = analyse(folder)
    assert [(cell.trials, cell.epochs, cell.failed) for cell in analysis.tuning] == [(12, 24, 0)] * 32
    assert analysis.missing == 0 and not design.tuning.once
    assert {one.verdict.why for one in analysis.contrasts} == {""}
    page = render_ablation(analysis, *read_sessions_and_readings(folder))
    assert (
        "12 recipes of 2 epochs were planned for each cell in each block, drawn and tried anew. Every one had" in page
    )
    assert "each cell in each block with the best of 12 recipes" in page


def test_a_plan_that_tuned_once_gets_no_verdict(tunable):
    """As plans of earlier versions have it: one tuning of each cell, frozen over all blocks."""
    folder = run(tunable, tune="per-cell")
    plan = read_plan(folder)
    first = plan.design.tuning.by_block[0]
    once = plan.design.tuning.model_copy(update={"by_block": None, "seed": first.seed, "recipes": first.recipes})
    design = plan.design.model_copy(update={"tuning": once})
    (folder / "plan.json").write_text(plan.model_copy(update={"design": design}).model_dump_json())
    assert {(one.word, one.verdict.why) for one in analyse(folder).contrasts} == {("withheld", "tuned once")}


def test_locked_tuning_gives_all_levels_the_baselines_recipe(tunable):
    folder = run(tunable, tune="locked")
    found = rows(folder)
    assert {row.params["network.norm"] for row in found if row.role == "tuning"} == {"none"}
    assert len({row.params["training.lr"] for row in found if row.role == "ablation"}) == 1


def test_a_cut_tuning_goes_on_where_it_was(tunable, monkeypatch):
    def cut(queue, *_):
        play(queue, lambda job, seed, epoch: tuned_truth(job.params, seed), interrupt=11)

    with monkeypatch.context() as during, pytest.raises(KeyboardInterrupt):
        during.setattr(ablation, "run_queue", cut)
        run(tunable, tune="per-cell")
    folder = run(tunable, tune="per-cell")
    tuning = [(row.cell, row.seed) for row in rows(folder) if row.role == "tuning"]
    assert len(tuning) == len(set(tuning)) == 32 * 12


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
    by_seed = {row.seed: row.val_mse for row in matched}
    level = {r.seed: r.val_mse for r in found.rows if r.role == "ablation" and r.params["network.norm"] == "batch"}
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
        def run(queue, *_):
            def mse(job, seed, epoch):
                tried[job.cell, seed] += epoch == 1 and job.role == "tuning"
                short = breaks and job.role == "tuning" and 2e-3 < job.params["training.lr"] < 1e-2
                return Failure(reason="oom", detail="out of memory") if short else tuned_truth(job.params, seed)

            play(queue, mse)

        monkeypatch.setattr(ablation, "run_queue", run)

    run_with(True)
    folder = run(tunable, tune="per-cell")
    before = rows(folder)
    broken = sum(cell.failed for cell in analyse(folder).tuning)
    assert broken > 0 and {n for n in tried.values() if n} == {1, 2}
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
    request = AblationRequest(**{**asked, "reuse": ("whole",), "name": "part"})
    assert dry_run(prepare_ablation(request), quiet)["reuse"] == {"whole": 32}
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
    with pytest.raises(UsageError, match="its runs are not of this task: threads None against 2"):
        run(asked, threads=2, reuse=("short",), name="two")
    with pytest.raises(UsageError, match="its runs are not of this task: epochs 2 against 3"):
        run(asked, epochs=3, reuse=("short",), name="long")
    with pytest.raises(UsageError, match="no study 'nowhere'"):
        prepare_ablation(AblationRequest(**{**asked, "reuse": ("nowhere",)}))


def test_a_study_of_which_nothing_can_be_taken_is_refused_before_anything_is_written(asked, planted, tmp_path):
    plan = read_plan(run(asked, name="plain", seeds=3))
    (asked["out"] / "sought").mkdir()
    (asked["out"] / "sought" / "plan.json").write_text(plan.model_copy(update={"design": None}).model_dump_json())
    (tmp_path / "wide.toml").write_text(SPACE.replace("width = 4", "width = 6"))
    for more, why in (
        ({"reuse": ("sought",)}, "it is a search, whose runs have other seeds"),
        ({"shifts": (0, 2)}, "or not scored on the shifts of --shifts"),
        ({"seed": 7}, "its cells have other seeds"),
        ({"space": str(tmp_path / "wide.toml")}, "its cells are others"),
    ):
        request = {**asked, "reuse": ("plain",), "name": "new", **more}
        with pytest.raises(UsageError, match=why):
            run(request)
        with pytest.raises(UsageError, match=why):
            dry_run(prepare_ablation(AblationRequest(**request)), quiet)
        assert not (asked["out"] / "new").exists()


def test_openings_of_the_sealed_test_for_runs_taken_over_are_added_up(asked, planted):
    first = run(asked, split="test", name="first")
    folder = run(asked, split="test", sesoi=0.04, reuse=(first.name,), name="second")
    pages = [render_ablation(analyse(one), *read_sessions_and_readings(one)) for one in (first, folder)]
    assert "The sealed test was opened 34 times: 32 for a run&#39;s model, 2 for the floor." in pages[0]
    there = "34 times: 32 for a run&#39;s model (32 of them in the studies that runs were taken over from), 2 for the"
    assert there in pages[1]


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


def test_a_contrast_is_planned_by_name(asked, planted):
    text = "norm=spatial_batch:batch @ depth=3"
    found = analyse(run(asked, cross=("depth",), contrast=(text,)))
    last = found.contrasts[-1]
    assert len(found.contrasts) == 3 == found.design.family_size
    assert (last.level, last.baseline, dict(last.planned.at)) == ("spatial_batch", "batch", {"network.depth": 3})
    assert last.ratio == pytest.approx(0.8, abs=0.03) and last.word == "better"
    assert last.ci.confidence > 0.95  # Holm over three
    plain = as_json(found)["contrasts"][-1]
    assert plain["at"] == {"network.depth": 3} and plain["verdict"] == "better"
    page = render_ablation(found, [], [])
    assert "norm spatial_batch against batch" in page and "at depth = 3" in page


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("norm=spatial:batch", "no level 'spatial' here; did you mean 'spatial_batch'"),
        ("norm=batch", "is not of the form FACTOR=LEVEL:LEVEL @ FACTOR=LEVEL"),
        ("norm=batch:batch", "is its own baseline"),
        ("norm=batch:none", "is planned already"),
        ("norm=batch:spatial_batch @ norm=none", "holds its own factor"),
        ("norm=batch:spatial_batch @ dept=2", "unknown factor 'dept'; did you mean 'depth'"),
        ("dropout=none:spatial", "which is no factor of this ablation: network.norm, network.depth"),
        ("norm=batch:spatial_batch @ depth=9", "no level '9' here"),
    ],
)
def test_a_contrast_that_cannot_be_is_refused(asked, text, words):
    with pytest.raises(UsageError, match=words):
        prepare_ablation(AblationRequest(**{**asked, "cross": ("depth",), "contrast": (text,)}))


def test_one_factor_at_a_time_has_no_cell_for_some_contrasts(asked):
    more = {"factors": ("norm", "depth"), "contrast": ("norm=batch:spatial_batch @ depth=3",)}
    with pytest.raises(UsageError, match="the plan has no cell"):
        prepare_ablation(AblationRequest(**{**asked, **more}))


def test_looks_end_once_all_is_decided(asked, planted):
    folder = run(asked, levels={"norm": ("none", "spatial_batch")}, looks=(8, 16, 32), control=False)
    found = analyse(folder)
    assert (found.next_look, found.missing, len(rows(folder))) == (None, 0, 16)
    assert [(one.word, one.n) for one in found.contrasts] == [("better", 8)]
    assert "It ended at 8 of at most 32 seeds." in render_ablation(found, [], []).replace("it ended", "It ended")
    assert run(asked, levels={"norm": ("none", "spatial_batch")}, looks=(8, 16, 32), control=False) == folder
    assert len(rows(folder)) == 16


def test_looks_go_on_while_something_is_undecided(asked, planted):
    folder = run(asked, looks=(8, 10))
    found = analyse(folder)
    assert found.contrasts[0].word in ("undecided", "equivalent") and found.contrasts[0].n in (8, 10)
    assert len([row for row in rows(folder) if row.role == "ablation"]) == 30
    assert found.missing == 0 and found.next_look is None


def test_a_study_with_more_seeds_is_another_one(asked, planted):
    folder = run(asked)
    with pytest.raises(UsageError, match="exists with another plan"):
        run({**asked, "name": folder.name}, seeds=16)


def test_rows_older_than_their_plan_make_a_study_post_hoc(asked, planted, monkeypatch):
    source = run(asked, cross=("depth",))
    monkeypatch.setattr("kpbench.studies.ablation_request.now", lambda: "2999-01-01T00:00:00+00:00")
    found = analyse(run(asked, factors=("norm",), reuse=(source.name,), name="later", control=False))
    assert found.provenance.older == 24 and found.provenance.inherited == 2
    assert {(one.word, one.verdict.why) for one in found.contrasts} == {("withheld", "post hoc")}
    assert found.contrasts[1].ci.high < 1.0  # the estimate stands
    alone = analyse(run({**asked, "out": asked["out"] / "elsewhere"}, name="alone", control=False)).contrasts
    assert found.contrasts[1].p_adjusted == pytest.approx(2 * alone[1].p_adjusted)  # over four in place of two
    page = render_ablation(found, [], [])
    assert "Post hoc: 24 rows ended before this plan was made" in page
    assert "The 2 contrasts planned there over the same rows count in this family." in page
    assert as_json(found)["post_hoc"] is True


def test_who_plans_after_looking_is_post_hoc_without_reuse_too(asked, planted):
    """The same cells and seeds trained again give the same numbers: fresh dates do not make them fresh."""
    first = run(asked, seeds=6)
    said = []
    folder = ablate(prepare_ablation(AblationRequest(**{**asked, "name": "more"})), said.append, quiet)
    found = analyse(folder)
    assert found.provenance.older == 18 and {one.verdict.why for one in found.contrasts} == {"post hoc"}
    assert any(f"post hoc: {first.name} has 18 of these runs; another --seed" in event.text for event in said
               if isinstance(event, Notice))  # fmt: skip
    fresh = analyse(run(asked, seed=1))
    assert fresh.provenance.older == 0 and "post hoc" not in {one.verdict.why for one in fresh.contrasts}
    assert analyse(run(asked, seeds=6)).provenance.older == 0  # the first one stays what it was
    longer = analyse(run(asked, epochs=3))
    assert longer.provenance.older == 0  # another task


def test_rows_that_were_taken_over_without_any_date_are_post_hoc(asked, planted):
    folder = run(asked)
    (folder / "sessions.jsonl").unlink()
    plan = read_plan(folder)
    (folder / "plan.json").write_text(plan.model_copy(update={"made": None}).model_dump_json())
    assert analyse(folder).provenance.older == 0
    taken = [replace(row, taken_from="0" * 16) for row in rows(folder)]
    (folder / "rows.jsonl").write_bytes(b"".join(map(as_line, taken)))
    assert {one.verdict.why for one in analyse(folder).contrasts} == {"post hoc"}


def test_a_chain_of_reuse_keeps_what_each_had(asked, planted):
    first = run(asked)
    sessions = first / "sessions.jsonl"
    sessions.write_text(sessions.read_text().replace(f'"recipe":"{RECIPE}"', '"recipe":"1"'))
    second = run(asked, reuse=(first.name,), name="second", sesoi=0.04)
    third = analyse(run(asked, reuse=(second.name,), name="third", sesoi=0.03))
    assert third.provenance.inherited == 4  # two each, and neither twice
    assert third.provenance.drift == (f"recipe 1 in {first.name}, {RECIPE} here",)


@pytest.mark.parametrize("floor", ['{"mean face": {"val": 0}}', '{"mean face": {"val": "x"}}', '{"mean face": 3}'])
def test_a_damaged_floor_is_one_line(asked, planted, floor):
    folder = run(asked)
    (folder / "floor.json").write_text(floor)
    with pytest.raises(UsageError, match=r"floor\.json is damaged"):
        analyse(folder)


def test_a_confirmation_follows_the_rules_of_the_study(asked, planted):
    """What ended at a look is confirmed at that look; what is mixed on val is not `better` on the test."""
    options = {"levels": {"norm": ("none", "spatial_batch")}, "looks": (8, 16, 32), "control": False}
    folder = run(asked, **options)
    confirmed = [replace(row, test_mse=row.val_mse, test_score=row.val_score) for row in rows(folder)]
    (folder / "rows.jsonl").write_bytes(b"".join(map(as_line, confirmed)))
    (folder / "floor.json").write_text('{"mean face": {"val": 80.0, "test": 80.0}}')
    found = analyse(folder)
    assert [(one.word, one.n) for one in found.confirmed] == [("better", 8)]
    assert found.confirmed[0].ci.confidence == pytest.approx(1 - 0.05 * 8 / 32)  # that look's share of the error rate


def test_reused_rows_of_other_versions_are_named(asked, planted):
    source = run(asked)
    sessions = source / "sessions.jsonl"
    sessions.write_text(sessions.read_text().replace(f'"recipe":"{RECIPE}"', '"recipe":"1"'))
    found = analyse(run(asked, reuse=(source.name,), name="later", sesoi=0.04))
    assert found.provenance.drift == (f"recipe 1 in {source.name}, {RECIPE} here",)
    assert f"Other versions: recipe 1 in {source.name}, {RECIPE} here." in render_ablation(found, [], [])


def test_the_sealed_test_is_opened_once_and_only_to_confirm(asked):
    options = {"factors": ("dropout",), "seeds": 2, "epochs": 1}
    folder = run(asked, **options)
    assert read_lines(folder / READINGS, Reading) == [] and analyse(folder).confirmed == ()
    run(asked, **options, confirm=True, command="kpbench ablate dropout --confirm")
    found = analyse(folder)
    assert len(found.confirmed) == len(found.contrasts) == 1
    tests = {row.test_mse for row in found.rows}
    assert None not in tests and len(tests) == 6
    assert len(read_lines(folder / READINGS, Reading)) == 6 + 2
    assert list((folder / MODELS).iterdir()) == []
    page = render_ablation(found, *read_sessions_and_readings(folder))
    assert "On the sealed test, opened once: " in page
    assert "The confirmation on the sealed test was first asked for on" in page  # the verdicts were read without it
    said = []
    ablate(prepare_ablation(AblationRequest(**{**asked, **options, "confirm": True})), said.append, quiet)
    assert any("the sealed test is not opened again" in getattr(event, "text", "") for event in said)
    assert len(read_lines(folder / READINGS, Reading)) == 6 + 2


def test_a_sealed_test_that_another_study_has_read_is_not_called_fresh(asked):
    options = {"factors": ("dropout",), "seeds": 2, "epochs": 1, "confirm": True}
    first = run(asked, **options)
    assert analyse(first).provenance.test_before == ()
    said, other = [], {**asked, **options, "seed": 1, "name": "second"}
    warnings = dry_run(prepare_ablation(AblationRequest(**other)), quiet)["warnings"]
    assert f"this sealed test is not fresh: read before by {first.name} (6 times)" in warnings
    folder = ablate(prepare_ablation(AblationRequest(**other)), said.append, quiet)
    assert any("this sealed test is not fresh" in getattr(event, "text", "") for event in said)
    found = analyse(folder)
    assert [(one.study, one.readings) for one in found.provenance.test_before] == [(first.name, 6)]
    page = render_ablation(found, *read_sessions_and_readings(folder))
    assert "opened once here and read 6 times before by 1 other study: " in page
    assert "<p>Opened once here and read 6 times before by 1 other study, for the planned contrasts;" in page
    assert f"The sealed test had been read before: 6 times by {first.name}" in page
    assert "first asked for" not in page
    assert analyse(first).provenance.test_before == ()  # what came later does not make it stale


def test_the_readings_of_others_are_noted_once_and_whatever_judges(asked, planted):
    options = {"factors": ("dropout",), "seeds": 2, "epochs": 1}
    first = run(asked, **options, split="test")
    (asked["out"] / "torn").mkdir()
    (asked["out"] / "torn" / "plan.json").write_text("{")  # what nobody can read stops nothing
    other = {**asked, **options, "seed": 1, "name": "second", "split": "test"}
    warnings = dry_run(prepare_ablation(AblationRequest(**other)), quiet)["warnings"]
    assert f"this sealed test is not fresh: read before by {first.name} (6 times)" in warnings
    for _ in range(2):
        folder = ablate(prepare_ablation(AblationRequest(**other)), quiet, quiet)
        assert [one.study for one in analyse(folder).provenance.test_before] == [first.name]
    assert analyse(first).provenance.test_before == ()


def test_models_that_are_gone_cannot_be_confirmed(asked):
    options = {"factors": ("dropout",), "seeds": 2, "epochs": 1}
    folder = run(asked, **options)
    next((folder / MODELS).glob("*.safetensors")).unlink()
    with pytest.raises(UsageError, match="1 of 6 models are not in"):
        run(asked, **options, confirm=True)
    assert read_lines(folder / READINGS, Reading) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"split": "tst"}, "unknown --split 'tst'"),
        ({"split": "test", "confirm": True}, "--split test has opened it already"),
        ({"resplit": True, "confirm": True}, "leave out --confirm"),
        ({"reuse": ("x",), "confirm": True}, "which --reuse does not take over"),
        ({"looks": (8,)}, "rising numbers of seeds"),
        ({"looks": (8, 64, 512)}, "512 seeds are 2048 runs; fewer levels or seeds, or --yes"),
    ],
)
def test_what_a_judged_split_cannot_be(asked, more, words):
    with pytest.raises(UsageError, match=words):
        prepare_ablation(AblationRequest(**{**asked, **more}))


def test_splits_are_drawn_anew_by_person_in_each_block(asked, tmp_path):
    with pytest.raises(UsageError, match="needs to know who is on each face"):
        run(asked, seeds=2, epochs=1, resplit=True)
    assert not (tmp_path / "reports").exists()
    folder = run({**asked, "data": "synthetic"}, factors=("dropout",), seeds=2, epochs=1, resplit=True, control=False)
    found = [row for row in rows(folder) if row.role == "ablation"]
    sizes = {row.seed: len(row.face_mse) for row in found}
    assert len(found) == 4 and len(sizes) == 2
    analysis = analyse(folder)
    assert analysis.details[0].without == "faces that are drawn anew in each block"
    assert min(sizes.values()) > 100
    assert "drawn anew, by person, in each block" in render_ablation(analysis, [], [])


def test_two_ablations_that_share_their_baseline_alone_stay_planned(asked, planted):
    """One cell that was seen, and A/A runs, show no contrast; two cells do, also where two studies had one each."""
    first = run(asked, factors=("norm",))
    second = run(asked, factors=("dropout",))
    assert first != second and analyse(second).provenance.older == 0
    both = analyse(run(asked, factors=("norm",), cross=("dropout",)))
    assert both.provenance.older > 0 and {one.verdict.why for one in both.contrasts} == {"post hoc"}


def test_what_a_design_cannot_decide_is_said_before_it_runs(asked, planted):
    def said(**options):
        return dry_run(prepare_ablation(AblationRequest(**{**asked, **options})), quiet).get("verdicts", [])

    one = {"factors": ("norm",), "levels": {"norm": ("none", "batch")}}
    assert said(**one, seeds=6) == [] and said(**one, looks=(8, 16, 32)) == []
    assert said(**one, seeds=5) == ["no verdict from 5 seeds: this family wants 6"]
    levels = {"norm": ("none", "batch", "spatial_batch")}
    assert said(factors=("norm",), levels=levels, looks=(8, 16, 32)) == [
        "no verdict from the look at 8 seeds: this family wants 9"
    ]
    events = []
    ablate(prepare_ablation(AblationRequest(**{**asked, **one, "seeds": 5})), events.append, quiet)
    assert "no verdict from 5 seeds: this family wants 6" in [e.text for e in events if isinstance(e, Notice)]
    folder = run(asked, **one, seeds=6)
    assert said(**one, seeds=7, name="more")[0].startswith("post hoc: ")
    run(asked, **one, seeds=7, name="more")
    assert folder.is_dir() and said(**one, seeds=6) == []  # what came after a study says nothing of it


def test_the_sealed_test_stays_closed_for_a_study_without_verdicts(asked, planted):
    run(asked, seeds=6)
    said = []
    folder = ablate(prepare_ablation(AblationRequest(**{**asked, "confirm": True})), said.append, quiet)
    assert "the sealed test stays closed: every verdict is withheld (post hoc)" in [
        event.text for event in said if isinstance(event, Notice)
    ]
    assert all(row.test_mse is None for row in rows(folder)) and read_lines(folder / READINGS, Reading) == []


def test_where_cohorts_pay_each_seed_of_a_cell_still_leaves_its_own_row(asked, monkeypatch):
    """On a device that trains seeds together: the same runs and numbers, a cell at a time."""
    alone = rows(run(asked, seeds=2, factors=("dropout",), name="alone"))
    calls = []
    cohort = evaluate.as_cohort
    monkeypatch.setattr(evaluate, "as_cohort", lambda job, ready: calls.append(job.seeds) or cohort(job, ready))
    monkeypatch.setitem(device.COHORT, "cpu", 4)
    together = rows(run(asked, seeds=2, factors=("dropout",), name="together"))
    assert sorted(map(len, calls)) == [2, 2, 2]
    assert [row.state for row in together] == ["complete"] * 6
    of = {(row.role, row.cell, row.seed): row.val_mse for row in alone}
    assert {(row.role, row.cell, row.seed) for row in together} == set(of)
    assert all(row.val_mse == of[row.role, row.cell, row.seed] for row in together)
