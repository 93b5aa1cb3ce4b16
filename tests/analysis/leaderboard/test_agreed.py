"""Floor and pass mark where hand-ins disagree, and one model under many names."""

import math

from kpbench.analysis.leaderboard.leaderboard import as_json, read_leaderboard
from tests.leaderboard_files import BENCHMARK, ablation_folder, hand_in, search_folder

TWO = {3: [(110.0, 100.0), (112.0, 144.0)]}


def table(tmp_path, **options):
    found = read_leaderboard([tmp_path], **options)
    (one,) = found.tables
    assert as_json(found)["tables"][0]["floor"] == one.facts.floor
    return one


def shown(one):
    return {line.name: line.score for line in one.lines if line.kind in ("floor", "pass mark")}


def marks(one):
    return {line.name: line.marks for line in one.lines if line.rank}


def test_a_hand_in_sets_neither_pass_mark_nor_floor_for_others(tmp_path):
    hand_in(tmp_path / "a.json", model="aaa", pass_mark=1.0, floor={"mean face": 0.5})
    for at, name in enumerate("bcd"):
        hand_in(tmp_path / f"{name}.json", model=name, score=210.0 + at, floor={"mean face": 114.0 + at / 100})
    one = table(tmp_path)
    assert shown(one) == {"mean face": 114.0, "pass mark": BENCHMARK.scorer.pass_mark}
    assert marks(one) == {
        "aaa": ("says mean face 0.5, not 114", "says pass mark 1, not 100"),
        "b": (),
        "c": (),
        "d": (),
    }


def test_a_floor_without_a_majority_is_not_shown(tmp_path):
    hand_in(tmp_path / "a.json", model="a", floor={"mean face": 0.5, "ridge on pixels": 300.0})
    hand_in(tmp_path / "b.json", model="b", score=210.0)
    one = table(tmp_path)
    assert shown(one) == {"ridge on pixels": 300.0, "pass mark": 100.0}
    assert marks(one) == {
        "a": ("says mean face 0.5; the hand-ins disagree, so none is shown",),
        "b": ("says mean face 114; the hand-ins disagree, so none is shown",),
    }


def test_the_pass_mark_of_an_unknown_benchmark_is_the_majoritys_or_none(tmp_path):
    hand_in(tmp_path / "a.json", model="a", benchmark="ffff", pass_mark=1.0)
    hand_in(tmp_path / "b.json", model="b", score=210.0, benchmark="ffff", pass_mark=150.0)
    one = table(tmp_path)
    assert one.facts.pass_mark is None
    assert shown(one) == {"mean face": 114.0}
    hand_in(tmp_path / "c.json", model="c", score=220.0, benchmark="ffff", pass_mark=150.0)
    assert shown(table(tmp_path))["pass mark"] == 150.0
    assert marks(table(tmp_path)) == {"a": ("says pass mark 1, not 150",), "b": (), "c": ()}


def test_the_study_says_the_floor_against_any_number_of_hand_ins(tmp_path):
    search_folder(tmp_path / "one", TWO)
    before = shown(table(tmp_path))
    for at in range(3):
        hand_in(tmp_path / f"{at}.json", model=str(at), score=200.0 + at, floor={"mean face": 0.5})
    assert shown(table(tmp_path)) == before
    assert all(marks(table(tmp_path))[str(at)][0].startswith("says mean face 0.5, not 114") for at in range(3))


def test_one_model_under_many_names_is_shown_once(tmp_path):
    hand_in(tmp_path / "a.json", model="predictions.csv", parameters=None, megabytes=None)
    hand_in(tmp_path / "b.json", model="mine.pt")
    hand_in(tmp_path / "c.json", model="yours.pt", notes=["other"])
    hand_in(tmp_path / "d.json", model="near.pt", mse=math.nextafter(1 / 400, 1))
    one = table(tmp_path)
    assert marks(one) == {"mine.pt": ("the same MSE in a.json, c.json",), "near.pt": ()}
    assert not [line for line in one.lines if line.name in ("predictions.csv", "yours.pt")]
    secret = table(tmp_path, anonymous=True)
    assert len([line for line in secret.lines if line.rank]) == 2
    assert not any(".json" in mark for line in secret.lines for mark in line.marks)


def test_a_studys_model_that_is_handed_in_stands_in_the_study(tmp_path):
    search_folder(tmp_path / "one", TWO)
    hand_in(tmp_path / "a.json", score=144.0)
    hand_in(tmp_path / "b.json", score=144.0, model="again.pt")
    hand_in(tmp_path / "c.json", score=150.0, model="other.pt")
    one = table(tmp_path)
    assert marks(one) == {"one": ("one of its models in a.json, b.json",), "other.pt": ()}
    hand_in(tmp_path / "d.json", score=144.0, data_digest="ffff")
    assert len(read_leaderboard([tmp_path]).tables) == 2


def test_a_run_that_failed_is_no_model(tmp_path):
    ablation_folder(tmp_path / "norms", diverged=[(2, 0)])
    hand_in(tmp_path / "mean.json", score=114.0, model="mean")
    assert "mean" in marks(table(tmp_path))
