"""What fits where, and what is refused before anything starts."""

import pytest

from kpbench.engine.resources import Resources, fitting, room, share_of_card
from kpbench.errors import UsageError

CARDS = {"CPU": 8.0, "GPU": 2.0}
PLAIN = {"CPU": 4.0}


@pytest.mark.parametrize(
    ("nodes", "cpus", "gpus", "trials"),
    [
        ([PLAIN], 1, 0, 4),
        ([PLAIN], 3, 0, 1),
        ([PLAIN, CARDS], 2, 0, 6),
        ([PLAIN, CARDS], 1, 0.5, 4),
        ([CARDS], 1, 0.3, 6),  # a trial lies on one card: 3 on each
        ([CARDS], 1, 1, 2),
        ([CARDS, CARDS], 1, 2, 2),
        ([CARDS], 8, 0.25, 1),  # CPUs are what is short
        ([PLAIN], 1, 1, 0),
        ([], 1, 0, 0),
    ],
)
def test_room_counts_whole_trials_on_nodes_and_cards(nodes, cpus, gpus, trials):
    assert room(nodes, cpus, gpus) == trials


def test_as_many_workers_as_asked_for_or_as_fit():
    assert fitting(Resources(), [CARDS, CARDS], 0.5) == 8
    assert fitting(Resources(workers=3), [CARDS, CARDS], 0.5) == 3


@pytest.mark.parametrize(
    ("asked", "nodes", "gpus", "said"),
    [
        (
            Resources(cpus=9, address="auto"),
            [PLAIN, CARDS],
            0,
            r"9 CPU\(s\) and 0 card\(s\): the largest of 2 has 8 and 2; lower",
        ),
        (Resources(), [PLAIN], 1, r"1 CPU\(s\) and 1 card\(s\): the largest of 1 has 4 and 0; lower"),
        (Resources(), [], 0, "the largest of 0 has 0 and 0"),
        (Resources(workers=5), [PLAIN], 0, "4 trials at once and --workers asks for 5"),
    ],
)
def test_what_never_fits_is_refused(asked, nodes, gpus, said):
    with pytest.raises(UsageError, match=said):
        fitting(asked, nodes, gpus)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"workers": -1}, "--workers must be auto, 0 or more, got -1"),
        ({"cpus": 0}, "--cpus-per-trial must be at least 1"),
        ({"gpus": 1.5}, "a part of one card or whole cards, got 1.5"),
        ({"gpus": -0.5}, "got -0.5"),
        ({"workers": 0, "address": "auto"}, "--workers 0 trains in this process"),
        ({"workers": 0, "trial_timeout": 5.0}, "needs --workers 1 or more"),
        ({"address": "ray://head:10001"}, "must be auto or HOST:PORT of the cluster's head, got 'ray://head:10001'"),
        ({"address": "head"}, "got 'head'"),
        ({"address": ""}, "got ''"),
    ],
)
def test_options_that_exclude_each_other(asked, said):
    with pytest.raises(UsageError, match=said):
        Resources(**asked)


def test_workers_of_this_machine(monkeypatch):
    monkeypatch.setattr("kpbench.engine.resources.own_cpus", lambda: 8)
    assert Resources().here == 8
    assert Resources(cpus=3).here == 2
    with pytest.raises(UsageError, match="--cpus-per-trial 9: this machine has 8; lower it"):
        Resources(cpus=9)
    assert Resources(workers=5).here == 5


def test_a_share_is_one_of_a_whole_number_of_trials():
    card = 80_000_000_000
    assert share_of_card(1_400_000_000, card) == 1 / 36  # 72 GB of 2 GB each
    assert share_of_card(50_000_000_000, card) == 1
    assert share_of_card(2 * card, card) == 1  # it may still fit; torch will say
