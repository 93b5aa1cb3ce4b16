import math

import pytest

from kpbench.statistics.intervals import Interval
from kpbench.statistics.words import (
    cell_text,
    coverage,
    detectable_text,
    ends_text,
    interval_text,
    number,
    p_text,
    percent,
    seeds_text,
    short_count,
    signed,
)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.0, "0 %"),
        (0.88, "−12.0 %"),
        (1.205, "+20.5 %"),
        (0.99996, "−0.004 %"),
        (9.0, "+800.0 %"),
        (31.0, "> +1,000 %"),
    ],
)
def test_a_percentage_keeps_its_sign(ratio, text):
    assert percent(ratio) == text


@pytest.mark.parametrize(("value", "text"), [(0.99996, "0.99996"), (1.0004, "1.0004"), (0.5, "0.5"), (1.0, "1")])
def test_a_ratio_is_never_rounded_across_one(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("p", "alpha", "text"),
    [
        (None, 0.05, "–"), (0.0004, 0.05, "< 0.001"), (0.0312, 0.05, "0.031"), (0.049996, 0.05, "0.049996"),
        (0.0503, 0.05, "0.0503"), (0.00996, 0.01, "0.00996"), (0.0496, 0.1, "0.050"), (1.0, 0.05, "1.000"),
    ],
)  # fmt: skip
def test_a_p_is_never_rounded_across_alpha(p, alpha, text):
    assert p_text(p, alpha=alpha) == text


def test_intervals_and_counts():
    assert interval_text(Interval(0.8123, 0.99998, 0.975)) == "0.812 to 0.99998"
    assert interval_text(None) == "–"
    assert coverage(Interval(0.8, 0.9, 0.9875)) == "98.8 %"
    assert [seeds_text(n) for n in (1, 8)] == ["1 seed", "8 seeds"]
    assert [signed(value) for value in (None, math.nan, math.inf, -math.inf, -0.456)] == ["–", "–", "∞", "−∞", "−0.46"]


def test_a_count_has_three_digits():
    counts = (0, 950, 1546, 93_000, 999_499, 999_999, 2_600_000, 12_345_678, 10**9)
    assert [short_count(n) for n in counts] == ["0", "950", "1.55k", "93k", "999k", "1M", "2.6M", "12.3M", "1G"]


def test_a_detectable_change_has_its_interval():
    assert detectable_text(26.4, Interval(15.7, 123.4, 0.95)) == "26 % (16 to 123 %)"
    assert detectable_text(None, None) == "–"


def test_a_change_that_means_nothing_is_not_spelt_out():
    """Two seeds of a running study: 2,163 % with an interval whose upper end has three hundred digits."""
    assert detectable_text(640.0, Interval(150.0, 1e300, 0.95)) == "640 % (150 to > 1,000 %)"
    assert detectable_text(2163.0, Interval(302.0, 1e300, 0.95)) == "> 1,000 %"
    assert detectable_text(math.inf, Interval(0.0, math.inf, 0.95)) == "> 1,000 %"
    assert percent(math.inf) == "> +1,000 %"


def test_a_cell_is_written_as_a_person_types_it():
    assert cell_text({"network.depth": 4, "training.lr": 0.02234567890123456, "network.norm": "my.py:N#3f9a12c0"}) == (
        "depth=4 lr=0.0223 norm=my.py:N"
    )
    assert cell_text({"network.rate": 1e-5, "training.rate": True}) == "network.rate=1e-5 training.rate=True"
    assert cell_text({}) == "the only cell"


def test_every_interval_is_written_alike():
    assert ends_text((0.8123, 0.99998)) == "0.812 to 0.99998"
    assert ends_text([199.6, 229.1], "{:.0f}".format) == "200 to 229"
