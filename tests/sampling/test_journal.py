"""The journal with several objectives: epochs, early stopping and what was known before, through a resume."""

import math

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState

from kpbench.sampling.journal import Journal

NAMES = ("score", "params", "images_per_second")


def started(journal, a, parameters):
    suggested = FixedTrial({"a": a})
    suggested.suggest_int("a", 0, 9)
    return journal.start(suggested, {"params": parameters})


@pytest.fixture
def path(tmp_path):
    """A journal with a complete, a stopped, a failed and a running trial, each with two epochs."""
    journal = Journal(tmp_path / "j.jsonl", NAMES)
    for a, parameters in enumerate((1000.0, 10.0, 100.0, 1e4)):
        number = started(journal, a, parameters)
        for epoch in (1, 2):
            journal.report(number, 10.0 * (a + 1) * epoch, epoch)
        journal.report(number, 999.0, 2)  # it came again
    journal.end(0, TrialState.COMPLETE, (25.0, 1000.0, 70.0))
    journal.end(1, TrialState.PRUNED)
    journal.end(2, TrialState.FAIL)
    return tmp_path / "j.jsonl"


def test_epochs_and_ends_are_read_back(path):
    again = Journal(path, NAMES)
    complete, stopped, failed, running = again.history()
    assert complete.values == [25.0, 1000.0, 70.0] and stopped.values is None
    assert [t.state.name for t in (complete, stopped, failed, running)] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    assert stopped.intermediate_values == {1: 20.0, 2: 40.0}
    again.adopt(running)
    again.end(3, TrialState.COMPLETE, (1.0, 2.0, 3.0))
    assert optuna.load_study(study_name="kpbench", storage=again._storage).directions[1].name == "MINIMIZE"


def test_points_hold_the_score_and_what_was_known_of_all_but_failed_trials(path):
    first, *others = Journal(path, NAMES).points_at(2, first=3)
    assert first == pytest.approx((math.log(80), -math.log(1e4)))
    assert sorted(others) == [
        pytest.approx((math.log(20), -math.log(1000))),
        pytest.approx((math.log(40), -math.log(10))),
    ]


def test_samplers_see_gains(path):
    journal = Journal(path, NAMES)
    complete, stopped, *_ = journal.shown()
    assert complete.values == pytest.approx([math.log(25), -math.log(1000), math.log(70)])
    assert stopped.state is TrialState.PRUNED
    assert journal.history()[0].values == [25.0, 1000.0, 70.0]
