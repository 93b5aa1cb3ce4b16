"""What single faces, keypoints, further measures and failed attempts add to an analysis, on planted rows."""

import json
import math
import time

import numpy as np
import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.json import as_json
from kpbench.analysis.ablation.levels import shift_of
from kpbench.faces.faces import KEYPOINTS
from kpbench.statistics.seeds_and_faces import seeds_by_faces
from kpbench.statistics.slices import exploratory_p
from kpbench.store.files import COSTS, ROWS
from tests.ablation_rows import CROSSED, KEYPOINT_EFFECTS, MOUTH, OTHER_DATA, SHIFT_COST, SHIFTS, analysis, study_folder

NORM, DROPOUT = CROSSED


@pytest.fixture(scope="module")
def crossed(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("a") / "a", factors=CROSSED, crossed=True, noise=0.02)


def rows_with(folder, change, **options):
    """The analysis of a study whose rows were changed in place, each by `change(row as a mapping)`."""
    path = study_folder(folder, **options) / ROWS
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for at, row in enumerate(rows):
        change(at, row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return analyse(folder)


def test_the_interval_over_seeds_and_faces_is_that_of_the_errors_of_single_faces(crossed):
    for contrast, detail in zip(crossed.contrasts, crossed.details, strict=True):
        ci, wide = contrast.ci, detail.seeds_and_faces
        assert wide.confidence == ci.confidence and detail.without == ""
        assert wide.low < ci.low < contrast.ratio < ci.high < wide.high
    # By hand for the second: cells in the order of the design, -1/3 at norm none, 1/3 at spatial_batch.
    faces = {(tuple(row.params[name] for name in CROSSED), row.seed): row.face_mse for row in crossed.rows
             if row.role == "ablation"}  # fmt: skip
    errors = np.array([[faces[tuple(cell.values()), seed] for seed in crossed.design.blocks]
                       for cell in crossed.design.cells])  # fmt: skip
    weights = [{"none": -1, "batch": 0, "spatial_batch": 1}[cell[NORM]] / 3 for cell in crossed.design.cells]
    expected = seeds_by_faces(errors, weights)
    assert crossed.details[1].two == expected
    coverage = crossed.contrasts[1].ci.confidence
    assert crossed.details[1].seeds_and_faces == expected.seeds_and_faces.ratio_interval(coverage)


def test_a_contrast_without_that_interval_says_why(tmp_path):
    plain = analysis(tmp_path / "old", details=False)
    assert {(one.seeds_and_faces, one.without) for one in plain.details} == {
        (None, "rows without the errors of single faces")
    }
    lost = analysis(tmp_path / "lost", diverged=[(1, 2)])
    assert [bool(one.seeds_and_faces) for one in lost.details] == [False, True]
    assert lost.details[0].without.startswith("a run failed")
    assert analysis(tmp_path / "one", runs=3).details[0].without == "fewer than two complete blocks"

    def other_data(at, row):
        row["data"] = "f" * 16 if at == 4 else row["data"]

    def perfect(at, row):
        row["face_mse"][0] = 0.0

    assert rows_with(tmp_path / "b", other_data).details[0].without == "runs that were scored on different faces"
    assert "no positive numbers" in rows_with(tmp_path / "c", perfect, seeds=2).details[0].without


def test_a_contrast_of_the_usual_size_takes_less_than_a_second():
    errors = np.random.default_rng(0).lognormal(size=(9, 8, 300))
    started = time.process_time()
    seeds_by_faces(errors, [1 / 3, -1 / 3, 0.0] * 3)
    assert time.process_time() - started < 2.0  # on two threads


def test_planted_differences_of_keypoints_come_back(crossed):
    spatial, standard = crossed.details[1], crossed.details[2]
    for detail, effect in (
        (spatial, KEYPOINT_EFFECTS[f"{NORM}=spatial_batch"]),
        (standard, KEYPOINT_EFFECTS[f"{DROPOUT}=standard"]),
    ):
        logs = np.log([one.ratio for one in detail.keypoints])
        rest = [at for at in range(15) if at not in MOUTH]
        assert logs[list(MOUTH)].mean() - logs[rest].mean() == pytest.approx(effect, abs=0.03)
        assert detail.seeds == 8 and all(detail.marked(0.05))
    everything = [one for detail in crossed.details for one in detail.keypoints]
    assert len(everything) == 4 * 15
    assert [one.p_adjusted for one in everything] == pytest.approx(exploratory_p([one.p for one in everything]))


def test_keypoints_are_marked_only_in_whole_contrasts_that_have_a_word(tmp_path):
    def marked(name, **options):
        return [any(one.marked(0.05)) for one in analysis(tmp_path / name, noise=0.01, **options).details]

    assert marked("whole", seeds=7) == [True, True]
    assert marked("few", seeds=6) == [False, False]
    assert marked("cut", missing=[(2, 1)]) == [True, False]
    lost = analysis(tmp_path / "lost", noise=0.01, diverged=[(1, 0)]).details[0]
    assert lost.seeds == 7 and any(lost.marked(0.05))
    assert not any(detail.keypoints for detail in analysis(tmp_path / "old", details=False).details)


def test_measures_of_a_level_are_means_and_paired_ratios_over_its_seeds(crossed):
    levels = {(level.factor, level.level): level for level in crossed.levels}
    none, spatial = levels[NORM, "none"], levels[NORM, "spatial_batch"]
    assert [one.name for one in spatial.measures] == [*(f"shift {shift}" for shift in SHIFTS), f"val of {OTHER_DATA}"]
    assert all(one.ratio is None and one.ci is None for one in none.measures)
    assert none.measures[0].interval.score == pytest.approx(none.interval.score)
    by_shift = {shift_of(one.name): one for one in spatial.measures}
    growth = SHIFT_COST[f"{NORM}=spatial_batch"]
    for shift in SHIFTS:
        assert by_shift[shift].ratio == pytest.approx(crossed.contrasts[1].ratio * math.exp(growth * shift))
        assert by_shift[shift].ci.low < by_shift[shift].ratio < by_shift[shift].ci.high
        assert by_shift[shift].interval.n == 8
    assert by_shift[8].ratio > 1 > by_shift[0].ratio


def test_a_diverged_seed_is_left_out_of_measures_and_old_rows_have_none(tmp_path):
    none, batch, spatial = analysis(tmp_path / "a", diverged=[(1, 2)]).levels
    assert [level.measures[0].interval.n for level in (none, batch, spatial)] == [8, 7, 8]
    assert not any(level.measures for level in analysis(tmp_path / "b", details=False).levels)
    assert not any(level.measures for level in analysis(tmp_path / "c", runs=0).levels)


@pytest.mark.parametrize(("name", "shift"), [("shift 0", 0), ("shift 12", 12), ("shift x", None), ("val of a 3", None)])
def test_shifts_are_read_from_names(name, shift):
    assert shift_of(name) == shift


def test_runs_that_failed_without_an_outcome_are_named(tmp_path):
    folder = study_folder(tmp_path / "a", crashed=[(1, 2), (2, 0)], diverged=[(0, 0)])
    found = analyse(folder)
    assert found.missing == 2
    assert [(one.levels[NORM], one.seed, one.reason, one.attempts) for one in found.failures] == [
        ("batch", found.design.blocks[2], "oom", 2), ("spatial_batch", found.design.blocks[0], "oom", 2),
    ]  # fmt: skip
    assert [contrast.verdict.word for contrast in found.contrasts] == ["incomplete", "incomplete"]
    listed = as_json(found)["failures"]
    assert set(listed[0]) >= {"cell", "seed", "reason", "detail"}
    assert listed[0]["detail"] == "13.2 GB of 16 GB in use"


def test_a_crash_that_was_run_again_is_no_failure(tmp_path):
    found = rows_with(tmp_path / "a", lambda at, row: row.update(state="failed", reason="crash") if at == 0 else None)
    assert len(found.failures) == found.missing == 1
    rows = (tmp_path / "a" / ROWS).read_text(encoding="utf-8").splitlines()
    again = {**json.loads(rows[0]), "state": "complete", "reason": None, "detail": None}
    with (tmp_path / "a" / ROWS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(again) + "\n")
    assert analyse(tmp_path / "a").failures == ()
    assert analyse(tmp_path / "a").missing == 0


def test_the_json_carries_it_all(crossed, tmp_path):
    plain = json.loads(json.dumps(as_json(crossed), allow_nan=False))
    contrast = plain["contrasts"][1]
    wide = crossed.details[1].seeds_and_faces
    assert contrast["ci_seeds_and_faces"] == [wide.low, wide.high] and contrast["no_ci_seeds_and_faces"] is None
    assert [one["name"] for one in contrast["keypoints"]] == list(KEYPOINTS)
    level = plain["levels"][1]
    assert set(level["measures"]) == {one.name for one in crossed.levels[1].measures}
    assert set(level["measures"]["shift 2"]) == {"score", "interval", "n", "ratio", "ci"}
    assert level["cost"]["step_megabytes"] == pytest.approx(74.0)
    old = as_json(analysis(tmp_path / "old", details=False))["contrasts"][0]
    assert old["ci_seeds_and_faces"] is None and "single faces" in old["no_ci_seeds_and_faces"]


def test_costs_of_older_studies_are_the_flops_alone(tmp_path):
    folder = study_folder(tmp_path / "old")
    costs = json.loads((folder / COSTS).read_text())
    (folder / COSTS).write_text(json.dumps({cell: found["flops"] for cell, found in costs.items()}))
    cost = analyse(folder).levels[0].cost
    assert cost.flops > 0 and math.isnan(cost.step_megabytes)
