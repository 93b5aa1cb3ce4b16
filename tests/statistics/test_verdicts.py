import pytest

from kpbench.statistics.intervals import Interval
from kpbench.statistics.verdicts import Verdict, needed_seeds, verdict


@pytest.mark.parametrize(
    ("low", "high", "word", "size"),
    [
        (-0.30, -0.10, "better", "beyond"),
        (-0.30, -0.01, "better", "unclear"),
        (-0.04, -0.01, "better", "below"),
        (0.10, 0.30, "worse", "beyond"),
        (0.01, 0.30, "worse", "unclear"),
        (0.01, 0.04, "worse", "below"),
        (-0.04, 0.04, "equivalent", None),
        (0.00, 0.04, "equivalent", None),
        (-0.05, 0.04, "undecided", None),
        (-0.30, 0.30, "undecided", None),
        (-0.30, 0.01, "undecided", None),
    ],
)
def test_every_place_of_the_interval(low, high, word, size):
    assert verdict(Interval(low, high, 0.95), 0.05, n=8, planned=8) == Verdict(word, size)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_fewer_than_five_seeds_get_no_verdict(n):
    interval = Interval(-0.3, -0.2, 0.95) if n > 1 else None
    assert verdict(interval, 0.05, n=n, planned=n) == Verdict("withheld", why="seeds")


@pytest.mark.parametrize("n", [0, 3, 7])
def test_a_plan_cut_short_gets_no_verdict(n):
    interval = Interval(-0.3, -0.2, 0.95) if n > 1 else None
    assert verdict(interval, 0.05, n=n, planned=8) == Verdict("incomplete")


@pytest.mark.parametrize(("n", "word"), [(7, "withheld"), (8, "better")])
def test_a_family_needs_the_seeds_that_sign_flips_need(n, word):
    needed = needed_seeds(5, 0.05)
    assert verdict(Interval(-0.3, -0.2, 0.95), 0.05, n=n, planned=n, needed=needed).word == word
