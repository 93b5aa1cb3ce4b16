import math

import pytest

from kpbench.report.search.headline import cards, headline, winners_curse
from kpbench.report.search.study_input import Best, ReportInput
from tests.study_rows import FLOOR, bare, grid_rows, row, study


def with_test(mean, *, interval=None, seeds=3, floor=FLOOR):
    rows = [row({"a": 1}, score=150.0), row({"a": 2}, score=120.0)]
    best = Best(rows[0].cell, rows[0].params, 150.0, seeds=seeds, test_mean=mean, test_interval=interval)
    return ReportInput(name="s", rows=rows, pass_mark=100.0, floor=floor, best=best)


def text(found):
    return " ".join((found.text, *found.more))


def test_a_study_without_rows_says_so():
    found = headline(ReportInput(name="s", rows=[], pass_mark=100.0))
    assert (found.tone, found.text) == ("open", "No run has ended yet.")


def test_nothing_complete_gives_the_counts():
    rows = [row({"a": 1}, state="pruned"), row({"a": 2}, trial=1, state="failed", score=None, reason="oom")]
    found = headline(ReportInput(name="s", rows=rows, pass_mark=100.0))
    assert found.text == "No run is complete with a score yet."
    assert "0 complete, 1 stopped early, 1 failed" in text(found)


def test_without_final_runs_the_tuning_score_is_called_flattering():
    found = headline(study(grid_rows(finals=0)))
    assert found.tone == "open"
    assert found.text.startswith("Best so far: depth ")
    assert "flatters" in text(found) and "nothing is known of the sealed test" in text(found)


def test_one_cell_alone_was_not_chosen_so_nothing_flatters_it():
    assert "flatters" not in text(headline(study([row({"a": 1})])))


@pytest.mark.parametrize(
    ("mean", "tone", "words"),
    [(214.0, "good", "above the pass mark of 100"), (100.0, "bad", "no better than a method without a network"),
     (60.0, "bad", "no better than a method without a network")],
)  # fmt: skip
def test_the_headline_weighs_the_sealed_test_against_floors_and_pass_mark(mean, tone, words):
    found = headline(with_test(mean))
    assert found.tone == tone
    assert words in found.text


def test_above_the_floors_and_below_the_pass_mark():
    found = headline(with_test(90.0, floor={"mean face": {"test": 76.0}}))
    assert (found.tone, found.text) == (
        "bad",
        "A 1: 90 on the sealed test, 1.2× mean face: below the pass mark of 100.",
    )


@pytest.mark.parametrize(
    ("mean", "says"),
    [
        (214.0, "passed"),
        (110.0, "no pass: worse than the mean face, 114.0"),
        (90.0, "no pass: below the pass mark 100 and worse than the mean face, 114.0"),
        (None, "open: the sealed test decides"),  # 150 on validation
    ],
)
def test_the_card_of_the_pass_mark_says_what_score_says(mean, says):
    found = {card.name: card for card in cards(with_test(mean, floor={"mean face": {"test": 114.0}}))}["Pass mark"]
    assert found.detail == says


def test_an_interval_that_includes_the_pass_mark_leaves_the_headline_open():
    found = headline(with_test(110.0, interval=(95.0, 127.0)))
    assert found.tone == "open"
    assert "95 % interval 95 to 127, which includes the pass mark" in text(found)
    assert headline(with_test(110.0, interval=(104.0, 116.0))).tone == "good"


def test_one_fresh_seed_has_no_interval():
    assert "One fresh seed" in text(headline(with_test(214.0, seeds=1)))


def test_a_floor_above_the_pass_mark_is_said():
    found = headline(with_test(214.0, floor={"mean face": {"test": 114.0}}))
    assert "the pass mark of 100 is already reached by mean face" in text(found)


def test_a_missing_floor_is_said():
    assert "No floor was measured" in text(headline(with_test(214.0, floor={})))


def test_a_score_is_given_in_pixels_where_it_has_any():
    assert "3.39 px" not in text(headline(with_test(214.0)))
    assert "2.32 px" in text(headline(with_test(214.0)))
    assert "px" not in text(headline(with_test(math.inf)))


def test_a_nan_test_score_is_no_test_score():
    assert headline(with_test(math.nan)).tone == "open"


def test_a_long_description_leaves_the_headline():
    rows = [row({f"network.parameter{at}": value for at in range(9)}) for value in (1, 2)]
    found = headline(study(rows))
    assert len(found.text) < 90
    assert "parameter8" in text(found)


def test_the_winners_curse_compares_tuning_and_fresh_validation_scores():
    rows = [row({"a": 1}, score=200.0), row({"a": 2}, score=100.0)]
    rows += [row({"a": 1}, trial=None, seed=seed, score=score, test=1.0) for seed, score in ((8, 90.0), (9, 360.0))]
    assert "200 when it was chosen and 180 with 2 fresh seeds (−10.0 %)" in winners_curse(study(rows))
    assert "luck is not known" in winners_curse(study(rows[:2]))
    assert winners_curse(study(rows[:1])) == ""
    assert winners_curse(bare(study(rows))) == ""
