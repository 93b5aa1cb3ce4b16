"""Which entries rank together, by what, and what is shown once."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from kpbench.analysis.leaderboard.leaderboard import as_json, read_leaderboard
from kpbench.analysis.search import best_of
from kpbench.analysis.status import status_of
from kpbench.cell import RunResult
from kpbench.errors import UsageError
from kpbench.statistics.intervals import score_interval
from kpbench.store.files import PLAN, RESULT, ROWS, as_line, read_lines
from tests.leaderboard_files import BENCHMARK, ablation_folder, final, hand_in, search_folder, trial
from tests.verify_rows import verify_folder

REPORTS = Path(__file__).parents[3] / "reports"
TWO = {3: [(110.0, 100.0), (112.0, 144.0)], 2: [(105.0, 190.0), (104.0, 195.0)]}


def only_table(*places, **options):
    (table,) = read_leaderboard(places, **options).tables
    return table


def names(table):
    return [(line.rank, line.name) for line in table.lines if line.kind not in ("floor", "pass mark")]


def test_a_search_stands_with_the_mean_and_interval_of_its_report(tmp_path):
    folder = search_folder(tmp_path / "one", TWO)
    first = next(line for line in only_table(tmp_path).lines if line.rank)
    best = best_of(read_lines(folder / ROWS, RunResult))
    assert first.score == pytest.approx(best["test_mean"]) == pytest.approx(120.0)
    assert [first.low, first.high] == pytest.approx(best["test_interval"])
    assert (first.name, first.kind, first.seeds, first.varies) == ("one", "search", 2, {"network.depth": 3})
    assert first.cell == best["cell_id"]  # by validation, though another has a higher test score
    more = only_table(tmp_path, cells=5)
    assert [line.varies["network.depth"] for line in more.lines if line.rank] == [2, 3]


def test_floor_and_pass_mark_stand_at_their_places(tmp_path):
    search_folder(tmp_path / "above", TWO)
    hand_in(tmp_path / "below.json", score=90.0)
    hand_in(tmp_path / "between.json", score=113.0)
    assert [(line.rank, line.name) for line in only_table(tmp_path).lines] == [
        (None, "ridge on pixels"), (1, "above"), (None, "mean face"), (2, "my.pt"), (None, "pass mark"), (3, "my.pt"),
    ]  # fmt: skip


def test_an_ablation_stands_with_its_best_cell_by_validation(tmp_path):
    ablation_folder(tmp_path / "norms", diverged=[(2, 0)])
    best, other, last = (line for line in only_table(tmp_path, cells=9).lines if line.rank)
    rows = [row for row in read_lines(tmp_path / "norms" / ROWS, RunResult) if row.role == "ablation"]
    spatial = [row.test_mse for row in rows if row.params["network.norm"] == "spatial_batch"]
    assert best.varies == {"network.norm": "spatial_batch"}
    assert best.marks == ("1 of 8 runs failed",)  # which counts with the mean face
    assert best.score == pytest.approx(score_interval([mse or 1 / (2 * 114.0) for mse in spatial]).score)
    assert (other.varies, last.varies) == ({"network.norm": "batch"}, {"network.norm": "none"})
    shifted, (elsewhere,) = best.shifted, best.others
    assert shifted.change == pytest.approx(100 * (2.718281828 ** (0.09 * 4) - 1))  # planted, on the test
    assert (shifted.on, shifted.runs, elsewhere.name) == ("test", 7, "val of other_faces")
    assert elsewhere.change == pytest.approx(40, abs=10)


def test_a_measure_is_compared_with_the_faces_it_was_made_of(tmp_path):
    folder = ablation_folder(tmp_path / "norms", details=True)
    plan = json.loads((folder / PLAN).read_text())
    plan["design"]["split"] = "val"
    (folder / PLAN).write_text(json.dumps(plan))
    (shifted,) = {line.shifted.on for line in only_table(tmp_path).lines if line.rank}
    assert shifted == "val"
    first = next(line for line in only_table(tmp_path).lines if line.rank)
    assert first.shifted.change == pytest.approx(100 * (0.95 * 2.718281828 ** (0.09 * 4) - 1))


@pytest.mark.parametrize(
    "other",
    [
        {"data": "ffff"},
        {"scorer": 2},
        {"benchmark": "ffff"},
        {"benchmark_text": BENCHMARK.text.replace("max_model_megabytes = 20.0", "max_model_megabytes = 40.0")},
    ],
    ids=lambda one: next(iter(one)),
)
def test_another_task_is_another_table(tmp_path, other):
    search_folder(tmp_path / "one", TWO)
    search_folder(tmp_path / "two", TWO, **other)
    found = read_leaderboard([tmp_path]).tables
    assert [names(table) for table in found] in ([[(1, "one")], [(1, "two")]], [[(1, "two")], [(1, "one")]])


@pytest.mark.parametrize(
    "other",
    [
        {"data_digest": "ffff"},
        {"split": "val"},
        {"scorer_version": 2},
        {"benchmark": "ffff"},
        {"rules": {"max_parameters": 10**8, "max_model_megabytes": 20.0}},
        {"rules": {"max_parameters": 1000, "max_model_megabytes": 20.0}, "parameters": 10},
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_hand_in_of_another_task_is_in_another_table(tmp_path, other):
    search_folder(tmp_path / "one", TWO)
    hand_in(tmp_path / "same.json")
    hand_in(tmp_path / "other.json", score=900.0, **other)
    first, second = read_leaderboard([tmp_path]).tables
    assert names(first) == [(1, "my.pt"), (2, "one")]
    assert names(second) == [(1, "my.pt")]
    assert first.task.of_the_course
    assert second.task.of_the_course is ("rules" not in other)


def test_labels_of_other_rules_are_not_the_courses(tmp_path):
    loose = BENCHMARK.text.replace("max_parameters = 4_999_999", "max_parameters = 50_000_000")
    search_folder(tmp_path / "loose", TWO, benchmark_text=loose)
    assert not only_table(tmp_path).task.of_the_course


def test_intervals_that_meet_the_firsts_are_marked(tmp_path):
    search_folder(tmp_path / "a", {3: [(110.0, 180.0), (112.0, 220.0), (111.0, 205.0)]})
    search_folder(tmp_path / "b", {3: [(110.0, 175.0), (112.0, 210.0), (111.0, 190.0)]})
    search_folder(tmp_path / "c", {3: [(110.0, 120.0), (112.0, 121.0), (111.0, 122.0)]})
    hand_in(tmp_path / "inside.json", score=185.0, model="inside")
    hand_in(tmp_path / "outside.json", score=100.0, model="outside")
    marks = {line.name: line.overlaps_first for line in only_table(tmp_path).lines if line.rank}
    assert marks == {"a": None, "b": True, "c": False, "inside": True, "outside": False}


def test_equal_scores_share_a_rank(tmp_path):
    for name, score, mse in (("a", 200.0, 0.0025), ("b", 200.0, 0.00250000001), ("c", 150.0, 1 / 300)):
        hand_in(tmp_path / f"{name}.json", model=name, score=score, mse=mse)
    assert names(only_table(tmp_path)) == [(1, "a"), (1, "b"), (3, "c")]


def test_what_breaks_the_rules_or_has_no_size_is_not_ranked(tmp_path):
    hand_in(tmp_path / "a.json", model="big", score=900.0, parameters=6_000_000)
    hand_in(tmp_path / "b.json", model="heavy", score=800.0, megabytes=21.0)
    hand_in(tmp_path / "c.json", model="points.csv", score=700.0, parameters=None, megabytes=None)
    hand_in(tmp_path / "d.json", model="fair", score=600.0)
    table = only_table(tmp_path)
    assert names(table) == [(None, "big"), (None, "heavy"), (None, "points.csv"), (1, "fair")]
    assert {mark for line in table.lines for mark in line.marks} == {
        "not ranked: it breaks the rules", "not ranked: its size is not known",
    }  # fmt: skip


def test_what_is_there_twice_is_shown_once(tmp_path):
    folder = search_folder(tmp_path / "one", TWO)
    shutil.copytree(folder, tmp_path / "copies" / "one")
    taken = [replace(one, taken_from="abc") for one in read_lines(folder / ROWS, RunResult)]
    search_folder(tmp_path / "a-taker", TWO, rows=taken)
    hand_in(tmp_path / "b.json")
    hand_in(tmp_path / "a.json")
    (tmp_path / "a.json").write_text(json.dumps(json.loads((tmp_path / "a.json").read_text()), indent=4))
    first, second = (line for line in only_table(tmp_path).lines if line.rank)
    assert (first.name, first.marks) == ("my.pt", ("2 identical files: a.json, b.json",))
    assert second.name in ("one", "copies/one")
    assert second.marks == ("the same plan in one", "the same runs in a-taker")


def test_the_same_runs_in_one_study_name_none(tmp_path):
    search_folder(tmp_path / "one", {3: [(110.0, 100.0)], 2: [(110.0, 100.0)]})
    assert len(names(only_table(tmp_path, cells=2))) == 2


def test_what_is_not_ranked_is_named(tmp_path):
    search_folder(tmp_path / "begun", {}, rows=[trial(2, 100.0)])
    search_folder(tmp_path / "going", TWO, done=False)
    verify_folder(tmp_path / "verify-x")
    found = read_leaderboard([tmp_path])
    assert found.unscored == ("begun",)
    assert found.verifications == ("verify-x/real_faces", "verify-x/synthetic")
    assert [line.marks for line in found.tables[0].lines if line.rank] == [("not finished",)]


def test_a_cell_half_confirmed_waits(tmp_path):
    folder = ablation_folder(tmp_path / "norms")
    rows = read_lines(folder / ROWS, RunResult)
    cut = next(row for row in rows if row.params["network.norm"] == "spatial_batch")
    rows = [row if row != cut else replace(row, test_mse=None, test_score=None) for row in rows]
    (folder / ROWS).write_bytes(b"".join(map(as_line, rows)))
    assert [line.varies["network.norm"] for line in only_table(tmp_path, cells=9).lines if line.rank] == [
        "batch",
        "none",
    ]


def test_an_old_study_without_a_mean_says_so(tmp_path):
    folder = search_folder(tmp_path / "old", {}, rows=[])
    (folder / RESULT).write_text(json.dumps({"best": {"test_score": 95.9}}))
    (line,) = (line for line in only_table(tmp_path).lines if line.rank)
    assert (line.score, line.seeds, line.low) == (95.9, 1, None)
    assert "without a mean" in line.marks[0]
    (folder / RESULT).write_text(json.dumps({"best": {"test_score": 95.9, "test_mean": 91.2, "seeds": 3}}))
    (line,) = (line for line in only_table(tmp_path).lines if line.rank)
    assert (line.score, line.seeds) == (91.2, 3)


def test_failed_final_runs_are_told(tmp_path):
    lost = final(3, 2, None, None, state="failed", reason="nan")
    rows = [trial(3, 100.0), final(3, 0, 110.0, 100.0), final(3, 1, 112.0, 144.0), lost]
    search_folder(tmp_path / "one", {}, rows=rows)
    (line,) = (line for line in only_table(tmp_path).lines if line.rank)
    assert (line.score, line.marks) == (pytest.approx(120.0), ("1 of 3 runs failed",))


def test_damaged_files_are_passed_over_and_named(tmp_path):
    search_folder(tmp_path / "one", TWO)
    broken = search_folder(tmp_path / "two", TWO)
    (broken / PLAN).write_text("{")
    rows = search_folder(tmp_path / "three", TWO) / ROWS
    rows.write_text(rows.read_text().replace('"role"', '"rule"', 1))
    torn = hand_in(tmp_path / "torn.json")
    torn.write_text(torn.read_text()[:200])
    found = read_leaderboard([tmp_path])
    assert names(found.tables[0]) == [(1, "one")]
    assert [next(word for word in ("torn", "three", "two") if word in line) for line in found.damaged] == [
        "three", "torn", "two",
    ]  # fmt: skip


def test_a_place_that_is_named_has_to_be_one(tmp_path):
    with pytest.raises(UsageError, match="there is no"):
        read_leaderboard([tmp_path / "nothing"])
    other = tmp_path / "other.json"
    other.write_text('{"kind": "another"}')
    assert read_leaderboard([tmp_path]).tables == ()
    with pytest.raises(UsageError, match=r"other.json is no hand-in"):
        read_leaderboard([other])
    torn = hand_in(tmp_path / "torn.json", score=-1.0)
    with pytest.raises(UsageError, match="damaged hand-in"):
        read_leaderboard([torn])


def test_a_study_or_a_file_alone(tmp_path):
    folder = search_folder(tmp_path / "deep" / "er" / "one", TWO)
    file = hand_in(tmp_path / "a.json")
    assert names(only_table(folder)) == [(1, "one")]
    assert names(only_table(folder, file, folder)) == [(1, "my.pt"), (2, "one")]
    assert names(only_table(tmp_path)) == [(1, "my.pt"), (2, "deep/er/one")]


def test_the_published_reports_give_one_table():
    found = read_leaderboard([REPORTS])
    (table,) = found.tables
    assert table.facts.data_name == "facial_keypoints"
    assert table.task.of_the_course
    best = json.loads((REPORTS / "keypoint" / RESULT).read_text())["best"]
    first = table.lines[0]
    assert (first.name, first.rank, first.seeds) == ("keypoint", 1, best["seeds"])
    assert [first.score, first.low, first.high] == pytest.approx([best["test_mean"], *best["test_interval"]])
    ranked = {line.name: round(line.score, 1) for line in table.lines if line.rank}
    assert ranked["norm-dropout-60"] == 367.9  # the table of docs/findings.md
    assert [line.name for line in table.lines[-3:]] == ["ridge on pixels", "pass mark", "mean face"]
    assert status_of(REPORTS / "keypoint").best.score == pytest.approx(best["test_mean"])  # and so `ls studies`
    assert len(found.verifications) == 4
    assert (found.unscored, found.damaged) == (("heads-60", "norm-dropout-200"), ())  # sealed test not opened
    json.dumps(as_json(found), allow_nan=False)
