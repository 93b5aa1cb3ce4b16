"""The words of the options that say what a study may take."""

import pytest

from kpbench.cli.resources import limits_of, resources_of, seconds_of
from kpbench.engine.resources import Resources
from kpbench.errors import UsageError


@pytest.mark.parametrize(
    ("word", "seconds"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400)]
)
def test_times(word, seconds):
    assert seconds_of(word, option="--time-budget") == seconds


@pytest.mark.parametrize("word", ["", "0", "5", "1h30", "0m", "soon", "-3m", "3 days", "m", "nan"])
def test_what_is_no_time_is_refused(word):
    with pytest.raises(UsageError, match="--time-budget must be a time such as 90s, 30m or 2h"):
        limits_of(word, None)


def test_the_options_as_a_value():
    assert resources_of({"workers": "auto"}) == Resources()
    words = {"workers": "4", "cpus_per_trial": 2, "gpus_per_trial": "0.25", "trial_timeout": "1m", "seeds": 3}
    assert resources_of(words) == Resources(workers=4, cpus=2, gpus=0.25, trial_timeout=60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"workers": "many"}, "--workers must be auto or a number, got 'many'"),
        ({"workers": "1.5"}, "--workers must be auto or a number, got '1.5'"),
        ({"workers": "inf"}, "--workers must be auto or a number, got 'inf'"),
        (
            {"workers": "1", "gpus_per_trial": "half"},
            "--gpus-per-trial must be auto or a number such as 0.25 or 1, got 'half'",
        ),
    ],
)
def test_words_that_are_none(words, said):
    with pytest.raises(UsageError, match=said):
        resources_of(words)
