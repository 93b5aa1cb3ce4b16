import math

from kpbench.plots.drawing import Marks
from kpbench.plots.references import reference_axis
from tests.study_rows import FLOOR


def test_floors_of_a_split_come_highest_first_without_those_that_are_no_score():
    assert list(Marks(100.0, FLOOR).on("val")) == ["ridge on pixels", "mean face"]
    odd = {"nan": {"val": math.nan}, "zero": {"val": 0.0}, "inf": {"val": math.inf}, "none": {}, "good": {"val": 7.0}}
    assert Marks(100.0, odd).on("val") == {"good": 7.0}


def test_a_mark_off_the_axis_is_said_and_not_drawn():
    _, lines, keys = reference_axis([1500.0, 2000.0], Marks(100.0, {"near": {"val": 1700.0}}), split="val")
    assert [score for score, _, _ in lines] == [1700.0]
    assert [key.label for key in keys] == ["pass mark 100, off the axis", "near 1,700"]


def test_the_lines_of_pass_mark_and_floors_differ_in_dash():
    _, lines, keys = reference_axis([50.0, 150.0], Marks(100.0, FLOOR), split="val")
    assert len({dash for _, _, dash in lines}) == len(lines) == len(keys) == 3
    _, lines, keys = reference_axis([50.0, 150.0], Marks(math.nan, FLOOR), split="val")
    assert len(lines) == len(keys) == 2
