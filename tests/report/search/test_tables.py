import math
from dataclasses import replace

from kpbench.plots.drawing import Marks
from kpbench.report.metrics import HEADINGS
from kpbench.report.search.page import render
from kpbench.report.search.tables import (
    front_note,
    inference_table,
    leader_lines,
    metrics_table,
    pruned_sentence,
    unlisted,
)
from kpbench.report.tables import Cell, columns, failure_lines, fixed_parameters, show
from kpbench.statistics.keypoint_errors import SCALARS
from kpbench.store.values import Inference
from tests.study_rows import FLOOR, grid_rows, row, some_metrics, study, tuned_rows


def test_the_pass_mark_stands_between_the_cells_above_and_below_it():
    rows = [row({"a": value}, score=score) for value, score in enumerate([140.0, 100.0, 99.0, 50.0])]
    lines = leader_lines(rows, Marks(100.0, FLOOR))
    assert [line.what or line.place for line in lines] == [
        "1",
        "2",
        "pass mark",
        "3",
        "ridge on pixels",
        "mean face",
        "4",
    ]


def test_a_front_says_how_much_its_scores_can_be_trusted():
    assert "of one seed" in front_note(1) and "cannot be told apart" in front_note(1)
    assert "means over few seeds" in front_note(3) and "one seed" not in front_note(3)


def test_the_metrics_of_final_runs_are_means_over_seeds_in_the_leaderboards_order():
    rows = [row({"a": value}, trial=value, score=score) for value, score in ((1, 90.0), (2, 120.0), (3, 130.0))]
    for value, rmses in ((1, [3.0]), (2, [2.5, 2.0, 3.0])):
        rows += [
            row({"a": value}, trial=None, seed=seed, score=90.0, test=90.0, metrics=some_metrics(rmse))
            for seed, rmse in enumerate(rmses)
        ]
    rows.append(row({"a": 2}, trial=None, seed=9, score=90.0, test=90.0))  # of an earlier version
    table = metrics_table(study(rows))
    two, one = table.records()
    assert (two["What"], two["Fresh seeds"], one["What"], one["Fresh seeds"]) == ("a 2", "3", "a 1", "1")
    assert two["RMSE, px"] == Cell("2.50", detail="2.00 to 3.00") and one["RMSE, px"] == Cell("3.00")
    assert two["NME, %"] == Cell("8.75", detail="7.00 to 10.50")
    assert two["Bias right, px"] == Cell("−0.12", detail="−0.12 to −0.12") and one["Bias down, px"] == Cell("+0.25")
    assert list(table.columns)[3:] == list(HEADINGS.values()) and list(HEADINGS) == list(SCALARS)
    assert not metrics_table(study(grid_rows()))
    assert 'id="metrics"' not in render(study(grid_rows())) and 'id="metrics"' in render(study(rows))


def test_a_speed_that_other_work_was_measured_with_is_marked():
    rows = [row({"a": 1}), row({"a": 1}, trial=None, seed=8, score=90.0, test=90.0)]

    def timed(threads, median, low, high):
        about = {"network": "n", "what": "w", "batch": 1, "device": "cpu", "when": "2026"}
        return rows[1].cell, Inference(**about, threads=threads, median=median, low=low, high=high)

    def marked(*found):
        return [
            "busy machine" in line[3].detail for line in inference_table(replace(study(rows), inference=found)).rows
        ]

    assert marked(timed(1, 1.93, 1.9, 2.0), timed(2, 160.0, 150.0, 170.0)) == [False, True]
    assert marked(timed(1, 1.93, 1.9, 2.0), timed(2, 2.5, 2.4, 2.6)) == [False, False]
    assert marked(timed(1, 2.0, 1.2, 2.6), timed(2, 1.1, 1.0, 1.2)) == [True, False]


def test_a_metric_that_no_run_has_is_a_dash():
    bare = {name: value for name, value in some_metrics(2.0).items() if name != "nme"}
    rows = [row({"a": 1}), row({"a": 1}, trial=None, test=90.0, metrics=bare)]
    (line,) = metrics_table(study(rows)).records()
    assert line["NME, %"] == Cell("–") and line["RMSE, px"] == Cell("2.00") and line["What"] == "the cell"


def test_the_pass_mark_is_last_when_every_cell_passes():
    assert leader_lines([row({"a": 1}, score=140.0)], Marks(100.0))[-1].kind == "pass"


def test_a_line_shows_levels_seeds_and_what_was_lost():
    rows = [row({"a": 1, "b": 7}, seed=seed, score=80.0) for seed in (0, 1)]
    rows += [row({"a": 1, "b": 7}, seed=2, state="failed", score=None, reason="oom"), row({"a": 2}, score=90.0)]
    rows.append(row({"a": 1, "b": 8}, score=10.0))
    _, one, _, two = leader_lines(rows, Marks(100.0, chosen=rows[0].cell))
    assert (one.levels, one.seeds, one.state, one.chosen) == (("2", "–"), "1", "complete", False)
    assert (two.levels, two.seeds, two.state, two.chosen) == (("1", "7"), "2", "complete, 1 failed", True)


def test_a_line_shows_the_images_of_its_longest_trial_run():
    rows = [row({"a": 1}, epochs=8), row({"a": 1}, state="failed", score=None, epochs=2), row({"a": 1}, trial=None)]
    assert leader_lines(rows, Marks(150.0, train_faces=1546))[1].images == "12.4k"
    assert leader_lines(rows, Marks(150.0))[1].images == "–"


def test_final_runs_that_failed_are_counted_beside_those_that_did_not():
    rows = [row({"a": 1}), row({"a": 1}, trial=None, score=90.0, test=80.0)]
    rows.append(row({"a": 1}, trial=None, score=None, state="failed", reason="nan"))
    (line,) = [line for line in leader_lines(rows, Marks(100.0)) if line.kind == "cell"]
    assert (line.fresh, line.test, line.finals) == ("90", "80", "1 of 2")


def test_cells_that_are_not_listed_are_counted_with_their_scores():
    rows = grid_rows()
    words = unlisted(rows, leader_lines(rows, Marks(100.0)))
    assert words.startswith("Not listed: 16 further cells with validation scores 1")
    assert unlisted(rows[:3], leader_lines(rows[:3], Marks(100.0))) == ""
    rows = [row({"a": 1}), row({"a": 2}, state="pruned")]
    assert unlisted(rows, leader_lines(rows, Marks(100.0))) == "Not listed: 1 cell without a complete run."


def test_failures_are_counted_by_reason_with_the_most_frequent_detail():
    rows = [row({"a": 1}, state="failed", score=None, reason="oom", detail=detail) for detail in ("x", "y", "y")]
    rows += [row({"a": 2}, state="failed", score=None, reason="nan"), row({"a": 3}, score=math.nan), row({"a": 4})]
    rows.append(row({"a": 5}, state="failed", score=None))
    lines = {line.reason: line for line in failure_lines(rows)}
    assert list(lines) == ["oom", "nan", "no score", "unknown"]
    assert (lines["oom"].count, lines["oom"].cells, lines["oom"].detail) == ("3", "1", "y (2 times)")
    assert lines["no score"].count == "1"
    assert failure_lines([row({"a": 4})]) == ()


def test_all_failed_runs_are_in_the_table():
    rows = tuned_rows(300)
    failed = sum(found.state == "failed" for found in rows)
    assert failed and sum(int(line.count) for line in failure_lines(rows)) == failed


def test_pruned_trials_in_a_sentence():
    rows = [row({"a": 1}, state="pruned", epochs=epochs, trial=epochs) for epochs in (2, 4, 8)]
    assert pruned_sentence(rows).startswith("3 trials were stopped early after 2 to 8 epochs (median 4)")
    assert pruned_sentence(rows[:1]).startswith("1 trial was stopped early after 2 epochs;")
    assert pruned_sentence([]) == ""


def test_a_pruned_trial_of_several_seeds_is_one_and_a_failed_trials_other_seeds_are_none():
    stopped = [row({"a": 1}, state="pruned", epochs=2, trial=0, seed=seed) for seed in (0, 1)]
    cut = row({"a": 2}, state="pruned", epochs=3, trial=1, seed=0)
    failed = row({"a": 2}, state="failed", reason="nan", epochs=2, trial=1, seed=1)
    assert pruned_sentence([*stopped, cut, failed]).startswith("1 trial was stopped early after 2 epochs;")


def test_parameters_that_never_vary_are_fixed():
    assert fixed_parameters([row({"a": 1, "b": 0.00001}), row({"a": 2, "b": 0.00001})]) == (("b", "1e-5"),)
    assert fixed_parameters([]) == ()


def test_any_value_in_one_line():
    assert show({"a": [1, 2], "b": None, "c": True}) == "a 1, 2, b –, c yes"
    assert show(()) == "none"
    assert columns([{"when": 1}, {"when": 2, "model": 3}]) == ("when", "model")
