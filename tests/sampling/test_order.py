"""The order of trials as they start and end, against the same from all of them."""

from random import Random

import pytest
from optuna.trial import FixedTrial, TrialState, create_trial

from kpbench.cell import cell_id
from kpbench.sampling.journal import Journal, varying
from kpbench.sampling.order import Memory, Order

MEMORY = Memory(best=2, newest=3)


def trial(number, state, score=0.0):
    made = create_trial(state=state, value=score if state is TrialState.COMPLETE else None)
    made.number = number
    return made


def kept(*told, memory=MEMORY):
    """`told`: of each trial its score, or None where it was cut, or that it runs."""
    states = {None: TrialState.FAIL, "runs": TrialState.RUNNING}
    return Order(trial(number, states.get(one, TrialState.COMPLETE), one) for number, one in enumerate(told)).kept(
        memory
    )


def test_what_is_kept_by_hand():
    assert kept() == []
    assert kept(1.0, None, "runs") == [0, 1, 2]
    cut = [None] * 7
    assert kept(*cut) == [0, 1, 4, 5, 6]  # the oldest two and the newest three
    assert kept(5.0, 9.0, 1.0, 7.0, 6.0, 8.0, 2.0, 3.0, 4.0) == [1, 2, 5, 6, 7, 8]  # the best, the worst, the newest
    assert kept("runs", *[5.0] * 6, *cut) == [0, 1, 2, 4, 5, 6, 7, 8, 11, 12, 13]  # the older of equal ones


def test_trials_that_end_in_any_order_are_as_those_that_come_ended():
    draw = Random(0)
    ends = [trial(n, draw.choice([TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED]), n % 5) for n in range(60)]
    order = Order(trial(number, TrialState.RUNNING) for number in range(60))
    for left, one in enumerate(draw.sample(ends, 60)):
        assert len(order.running) == 60 - left
        order.put(one)
    assert vars(order) == vars(Order(ends))


def start(journal, a):
    suggested = FixedTrial({"a": a})
    suggested.suggest_int("a", 0, 999)
    return journal.start(suggested)


@pytest.mark.parametrize("seed", range(3))
def test_a_journal_knows_what_one_that_is_read_anew_knows(tmp_path, seed):
    """Whatever happens to trials: they end, are interrupted, lose their rows, and their cells come again."""
    draw, path = Random(seed), tmp_path / "j.jsonl"
    journal = Journal(path)
    for a in range(40):
        again = journal.interrupted()
        number = start(journal, again[0]["a"] if again and draw.random() < 0.5 else a)
        journal.report(number, draw.random(), 1)
        happens, running = draw.random(), draw.choice(journal.running())
        if happens < 0.4:
            journal.end(running.number, TrialState.COMPLETE, float(draw.randrange(6)))
        elif happens < 0.6:
            journal.end(running.number, draw.choice([TrialState.PRUNED, TrialState.FAIL]))
        elif happens < 0.7:
            journal.interrupt(running)
        elif happens < 0.75:
            ended = [one.number for one in journal.history() if one.state.is_finished()]
            journal.void(draw.sample(ended, min(2, len(ended))))
        other = Journal(path)
        for one in (journal, other):
            assert one.seen() == {cell_id(varying(trial)) for trial in one.history()}
            assert [trial.number for trial in one.running()] == [
                trial.number for trial in one.history() if trial.state is TrialState.RUNNING
            ]
        assert len(journal) == len(other) == len(journal.history())
        assert journal.seen() == other.seen()
        assert journal.shown(MEMORY) == other.shown(MEMORY)
        assert vars(journal._order) == vars(other._order)


def test_with_several_objectives_every_trial_is_shown(tmp_path):
    journal = Journal(tmp_path / "j.jsonl", ("score", "params"))
    for a in range(9):
        journal.end(start(journal, a), TrialState.COMPLETE, (1.0 + a, 10.0))
    assert len(journal.shown(Memory(best=1, newest=1))) == 9
