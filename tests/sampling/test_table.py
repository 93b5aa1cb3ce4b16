"""The table of runs: ends, and the truth over the seeds that are not replayed."""

import math

import pytest

from kpbench.sampling.table import near_best
from tests.replay_tables import cell_of, planted


def test_the_truth_leaves_out_the_seed_that_is_replayed():
    table = planted((2,), lambda cell, seed: {(0, 0): 900.0, (0, 1): 100.0, (0, 2): 400.0}.get((cell[0], seed), 250.0),
                    seeds=(0, 1, 2))  # fmt: skip
    first = cell_of(table, 0)
    assert math.exp(table.truth(0)[first]) == pytest.approx(200.0)  # geometric mean of 100 and 400
    assert math.exp(table.truth(1)[first]) == pytest.approx(600.0)
    assert near_best(table.truth(0), 0.01) == {cell_of(table, 1)}
    assert near_best(table.truth(1), 0.01) == {first}


def test_one_seed_judges_itself():
    table = planted((3,), lambda cell, seed: 100.0 + cell[0], seeds=(7,))
    assert {round(math.exp(score)) for score in table.truth(7).values()} == {100, 101, 102}
    assert near_best(table.truth(7), 0.011) == {cell_of(table, 1), cell_of(table, 2)}
    assert near_best(table.truth(7), 0.0) == {cell_of(table, 2)}


def test_a_run_that_diverged_counts_with_the_score_given_for_it():
    table = planted((2,), lambda cell, seed: 200.0)
    lost = cell_of(table, 0)
    scores = {**table.scores, (lost, 0): (190.0, 195.0)}
    table = type(table)(table.space, scores, table.epochs, diverged=table.diverged)
    assert table.end(lost, 0) == 50.0
    assert near_best(table.truth(0), 0.01) == {cell_of(table, 1)}
