"""What early scores said, and what chance would have found, on rows worked out by hand."""

from dataclasses import replace
from itertools import combinations

import pytest

from kpbench.analysis.early import agreement_by_epoch, best_so_far
from kpbench.cell import EpochRecord
from tests.study_rows import row


def trial(number, mses, *, state="complete", seed=0):
    made = row({"a": number}, trial=number, state=state, score=1 / (2 * mses[-1]), seed=seed)
    curve = [
        EpochRecord(epoch=e, train_mse=m, val_mse=m, val_score=1 / (2 * m), seconds=1.0) for e, m in enumerate(mses, 1)
    ]
    return replace(made, curve=curve, val_mse=mses[-1], epochs=len(mses))


def test_the_agreement_of_each_epoch_with_the_last():
    last = [0.01, 0.02, 0.03, 0.04]
    rows = [trial(n, [0.1 - m, 0.05 + m, m]) for n, m in enumerate(last)]
    assert agreement_by_epoch(rows) == [(1, pytest.approx(-1.0)), (2, pytest.approx(1.0))]
    stopped = trial(9, [0.001], state="pruned")
    assert agreement_by_epoch([*rows, stopped]) == agreement_by_epoch(rows)


def test_no_agreement_is_told_of_a_few_trials_or_of_one_score():
    assert agreement_by_epoch([]) == []
    assert agreement_by_epoch([trial(n, [0.1, 0.01 * (n + 1)]) for n in range(3)]) == []
    assert agreement_by_epoch([trial(n, [0.1 + n, 0.01]) for n in range(5)]) == []


def test_seeds_of_a_trial_are_one_curve():
    rows = [trial(n, [0.2 - m, m], seed=s) for n, m in enumerate([0.01, 0.02, 0.03, 0.04]) for s in (0, 1)]
    assert agreement_by_epoch(rows) == [(1, pytest.approx(-1.0))]
    assert len(best_so_far(rows)) == 4


def test_best_of_k_is_the_mean_over_all_subsets():
    mses = [0.02, 0.05, 0.01, 0.04, 0.03]
    found = best_so_far([trial(n, [0.1, m]) for n, m in enumerate(mses)])
    scores = [1 / (2 * m) for m in mses]
    for k, best, mean in found:
        subsets = [max(some) for some in combinations(scores, k)]
        assert best == pytest.approx(max(scores[:k]))
        assert mean == pytest.approx(sum(subsets) / len(subsets))
    assert best_so_far([]) == []
