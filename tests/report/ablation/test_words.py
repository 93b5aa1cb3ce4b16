"""The first sentence and the cards of an ablation's page."""

import math
import re

import pytest

from kpbench.report.ablation.words import answer, cards, headline
from tests.ablation_rows import CROSSED, analysis


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"noise": 0.02}, r"Norm gains score: −[\d.]+ % MSE with batch, −[\d.]+ % with spatial_batch \(8 seeds\)\."),
        (
            {"noise": 0.02, "factors": {"network.norm": ("batch", "spatial_batch")}},
            r"Other norm than batch gains score: −[\d.]+ % MSE with spatial_batch \(8 seeds\)\.",
        ),
        ({"seeds": 3}, r"Norm has no verdict, an estimate only: .* \(3 seeds\)\."),
    ],
)
def test_the_answer_says_what_the_verdicts_let_it_say(tmp_path, options, says):
    found = analysis(tmp_path / "a", **options)
    assert re.fullmatch(says, answer(found)), answer(found)


def test_without_a_number_the_answer_is_how_far_the_study_is(tmp_path):
    found = analysis(tmp_path / "a", runs=0)
    assert answer(found) == headline(found)
    assert [card.name for card in cards(found)] == ["Floor"]


def test_the_cards_have_the_best_cell_the_largest_effect_and_the_floor(tmp_path):
    found = analysis(tmp_path / "a", factors=CROSSED, crossed=True, noise=0.02)
    best, effect, floor = cards(found)
    assert best.name == "Best cell" and "norm spatial_batch" in best.detail and " to " in best.detail
    largest = max(found.contrasts, key=lambda one: abs(math.log(one.ratio)))
    assert effect.value.endswith("% MSE") and str(largest.level) in effect.detail and largest.word in effect.detail
    assert (floor.value, floor.detail) == ("161", "ridge on pixels; mean face 114")
