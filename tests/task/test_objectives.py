"""The table of objectives: what is read of rows, which way is better, what is refused."""

import math
from dataclasses import replace

import pytest

from kpbench.errors import UsageError
from kpbench.task.objectives import OBJECTIVES, gains, objectives_asked, values_of
from tests.study_rows import row


def test_values_are_read_from_a_cells_rows():
    rows = [row({"a": 1}, seed=seed, score=score) for seed, score in ((0, 50.0), (1, 200.0))]
    rows = [replace(one, costs={"flops": 5e6, "latency": 1.5}, images=8 * 120) for one in rows]
    found = dict(zip(OBJECTIVES, values_of(rows, list(OBJECTIVES)), strict=True))
    assert found["score"] == pytest.approx(100.0)
    assert (found["params"], found["flops"], found["latency"]) == (rows[0].parameters, 5e6, 1.5)
    assert found["images_per_second"] == pytest.approx(120 / 1.5)  # 120 faces in an epoch of 1.5 s


def test_what_rows_do_not_say_is_no_number():
    bare = replace(row({"a": 1}, state="failed", score=None), parameters=None)
    assert all(map(math.isnan, values_of([bare], ["params", "flops", "latency", "images_per_second"])))


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_a_gain_is_larger_where_it_is_better_and_always_finite(name):
    objective = OBJECTIVES[name]
    better, worse = (2.0, 1.0) if objective.direction == "maximize" else (1.0, 2.0)
    assert objective.gain(better) > objective.gain(worse) > objective.gain(math.nan)
    assert all(math.isfinite(objective.gain(value)) for value in (0.0, -1.0, math.inf, math.nan, 1e-320))
    assert gains([better], [name]) == (objective.gain(better),)
    assert objective.show(math.nan) == "–"


def test_values_are_shown_with_their_unit():
    said = [OBJECTIVES[name].show(value) for name, value in (("score", 99.96), ("params", 1e6), ("latency", 1.7))]
    assert said == ["100.0", "1,000,000", "1.70 ms"]
    speeds = [OBJECTIVES["images_per_second"].show(value) for value in (593.2, 12345.6)]
    assert speeds == ["593 images/s", "12,346 images/s"]


def test_the_order_in_which_they_are_named_changes_nothing():
    assert objectives_asked(["score", "latency", "params"]) == ("score", "params", "latency")
    assert objectives_asked(["score"]) == ("score",)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["score", "parms"], "unknown objective 'parms'; did you mean 'params'"),
        (["score", "params", "params"], "--objective names params twice"),
        (["params"], "write --objective score,params"),
        (["latency", "score"], "write --objective score,latency"),
        ([""], "unknown objective ''"),
    ],
)
def test_other_words_are_refused_in_a_line(names, says):
    with pytest.raises(UsageError, match=says) as refusal:
        objectives_asked(names)
    assert "\n" not in str(refusal.value)
