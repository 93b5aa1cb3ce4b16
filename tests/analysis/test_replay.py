"""A study as a table for replayed searches, what is refused as one, and the judging of a replay."""

import json
import math
import shutil
from pathlib import Path

import pytest

from kpbench.analysis.replay import cautions, good_cells, judged, read_table, summed
from kpbench.errors import UsageError
from kpbench.sampling.table import Ended
from kpbench.space.design import factorial
from kpbench.store.files import FLOOR, PLAN, ROWS
from tests.ablation_rows import CROSSED, study_folder
from tests.replay_tables import cell_of, planted, search_folder

PUBLISHED = Path(__file__).parents[2] / "reports" / "verify-facial_keypoints" / "facial_keypoints"

SMALL = """family = "cnn"
[network]
depth = [2, 3]
dropout = ["none", "standard"]
dropout_rate = { choices = [0.1, 0.2], when = { "network.dropout" = ["standard"] } }
[training]
lr = 1e-3
"""
FAMILIES = """family = ["mlp", "cnn"]
[network]
depth = [2, 3]
kernel = [3, 5]
[prior]
"network.depth" = 3
"""


def refusal(folder):
    with pytest.raises(UsageError) as caught:
        read_table(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value)
    return str(caught.value)


def flat(cell, seed):
    return 0.001 * cell["network.depth"] + 0.0001 * seed


def test_a_search_over_a_whole_space_is_a_table(tmp_path):
    table = read_table(search_folder(tmp_path / "s", SMALL, flat, seeds=(0, 1)))
    assert (len(table.cells), table.seeds, table.epochs, table.images) == (6, [0, 1], 3, 2)
    assert list(table.space.factors) == ["network.depth", "network.dropout", "network.dropout_rate"]
    cell = next(iter(table.cells))
    assert table.scores[cell, 1] == pytest.approx([1 / (2 * 0.0021 * 3 / epoch) for epoch in (1, 2, 3)])
    assert table.end(cell, 0) == pytest.approx(250.0)


def test_parameters_of_one_family_alone_are_its_cells_alone(tmp_path):
    table = read_table(search_folder(tmp_path / "s", FAMILIES, flat))
    assert len(table.cells) == 2 + 4
    assert table.space.prior == {"network.depth": 3}


def test_a_crossed_ablation_is_a_table_without_its_second_cohort(tmp_path):
    table = read_table(study_folder(tmp_path / "a", factors=CROSSED, crossed=True, seeds=3))
    assert (len(table.cells), len(table.seeds), table.epochs, table.images) == (9, 3, 12, 2000)
    alone = read_table(study_folder(tmp_path / "b", seeds=2))
    assert (len(alone.cells), len(alone.seeds)) == (3, 2)


def test_a_published_study_is_one_with_factors_in_the_order_of_its_space():
    table = read_table(PUBLISHED)
    assert (len(table.cells), len(table.seeds), table.epochs, table.images) == (18, 6, 8, 1546)
    assert list(table.space.factors) == ["network.depth", "network.norm", "network.dropout"]


def test_a_study_that_is_no_table_is_refused_with_the_remedy(tmp_path):
    def some(cell, seed):
        return None if (cell["network.depth"], cell["network.dropout"]) == (3, "none") else 0.002

    def stopped(cell, seed):
        return {"state": "pruned", "epochs": 2} if cell["network.depth"] == 3 else 0.002

    assert "1 of 6 cells have no whole run; its own command with --n-trials 6 goes on" in refusal(
        search_folder(tmp_path / "some", SMALL, some)
    )
    assert "3 cells stopped early; train all with --sampler grid --scheduler none --n-trials 6 under" in refusal(
        search_folder(tmp_path / "stopped", SMALL, stopped)
    )
    broken = search_folder(tmp_path / "broken", SMALL, lambda cell, seed: {"state": "failed", "reason": "oom"})
    assert "6 of 6 cells" in refusal(broken)
    some_family = search_folder(
        tmp_path / "family", FAMILIES, lambda cell, seed: None if cell["family"] == "mlp" else 0.01
    )
    assert "no run of mlp" in refusal(some_family)
    assert "left out cells by its constraints" in refusal(
        search_folder(tmp_path / "light", SMALL, flat, constraints={"params": 5e5})
    )
    assert "replay an ablation with --cross" in refusal(study_folder(tmp_path / "one", factors=CROSSED, seeds=2))


def test_a_continuum_is_refused(tmp_path):
    folder = search_folder(tmp_path / "s", SMALL, flat)
    plan = json.loads((folder / PLAN).read_text())
    plan["space_text"] = plan["space_text"].replace("lr = 1e-3", "lr = { low = 1e-4, high = 1e-2 }")
    (folder / PLAN).write_text(json.dumps(plan))
    assert "no list of cells" in refusal(folder)


def test_a_seed_that_a_cell_lacks_is_left_out_and_told(tmp_path):
    folder = study_folder(tmp_path / "a", factors=CROSSED, crossed=True, seeds=6, missing=[(4, 1)])
    table = read_table(folder)
    assert len(table.seeds) == 5
    assert cautions(table, 6) == ["5 of the 6 planned seeds: the others lack cells and are left out"]
    lost = [(cell, 0) for cell in range(len(factorial(CROSSED, crossed=True)))]
    shutil.rmtree(folder)
    assert "have no whole run; its own command goes on" in refusal(
        study_folder(folder, factors=CROSSED, crossed=True, seeds=1, missing=lost[:2])
    )


def test_a_run_that_diverged_counts_as_the_mean_face(tmp_path):
    folder = study_folder(tmp_path / "a", factors=CROSSED, crossed=True, seeds=2, diverged=[(0, 1)])
    table = read_table(folder)
    ((cell, seed),) = [run for run, scores in table.scores.items() if len(scores) < table.epochs]
    assert table.end(cell, seed) == pytest.approx(110.0)
    (folder / FLOOR).unlink()
    assert "the mean face, as which it counts, has no score" in refusal(folder)


def test_a_seed_that_diverged_ended_the_others_of_its_trial(tmp_path):
    def some(cell, seed):
        if cell["network.depth"] == 2 or cell["network.dropout"] == "standard":
            return 0.002
        return {"state": "failed", "reason": "nan", "epochs": 1} if seed == 1 else {"state": "pruned", "epochs": 2}

    folder = search_folder(tmp_path / "s", SMALL, some, seeds=(0, 1, 2))
    (folder / FLOOR).write_text(json.dumps({"mean face": {"val": 70.0, "test": 71.0}}))
    table = read_table(folder)
    short = {seed: len(scores) for (_, seed), scores in table.scores.items() if len(scores) < 3}
    assert short == {0: 2, 1: 1, 2: 2}
    assert {round(table.end(cell, seed)) for cell in table.cells for seed in table.seeds} == {70, 250}


def test_a_run_that_diverged_after_its_last_epoch_is_none_that_ended(tmp_path):
    def some(cell, seed):
        return {"state": "failed", "reason": "nan"} if cell["network.depth"] == 2 else 0.002

    folder = search_folder(tmp_path / "s", SMALL, some)
    (folder / FLOOR).write_text(json.dumps({"mean face": {"val": 70.0, "test": 71.0}}))
    assert sorted(map(len, read_table(folder).scores.values())) == [2, 2, 2, 3, 3, 3]


def test_code_of_a_persons_own_goes_by_its_name(tmp_path):
    folder = search_folder(tmp_path / "s", FAMILIES, flat)
    for file, old, new in (
        (ROWS, '"family":"mlp"', '"family":"net.py:Mine#01234567"'),
        (PLAN, '\\"mlp\\"', '\\"nets/net.py:Mine\\"'),
    ):
        path = folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    table = read_table(folder)
    assert len(table.cells) == 6
    assert "net.py:Mine#01234567" in table.space.parameters["family"].values


def test_few_seeds_are_warned_of():
    def of(seeds):
        return cautions(planted((3,), lambda cell, seed: 100.0 + cell[0], seeds=range(seeds)), seeds)

    assert "one seed" in of(1)[0] and "--seeds 3" in of(1)[0]
    assert "2 other runs a cell" in of(3)[0]
    assert of(4) == []


def ended(table, *ends):
    """Trials in this order: a value with its score, None where it was stopped after 5 epochs."""
    return [Ended(cell_of(table, value), 8 if score else 5, {}, score) for value, score in ends]


def test_a_search_arrives_with_a_whole_run_near_the_best_and_names_its_own_best():
    table = planted((4,), lambda cell, seed: [100.0, 200.0, 398.0, 400.0][cell[0]])
    assert good_cells(table, 0.01) == (2, 2)
    found = judged(ended(table, (1, 250.0), (3, None), (0, 300.0), (2, 260.0)), table, 0, near=0.01, until=0)
    assert (found.epochs, found.trials, found.arrived) == (8 + 5 + 8 + 8, 4, True)
    assert [(spent, round(regret, 3)) for spent, regret in found.named] == [(8, 0.5), (21, 0.75)]
    assert [round(found.regret(epochs), 2) for epochs in (7, 8, 20, 21, 99)] == [1.0, 0.5, 0.5, 0.75, 0.75]


def test_a_search_that_stops_every_good_cell_counts_with_the_whole_table():
    table = planted((4,), lambda cell, seed: [100.0, 200.0, 398.0, 400.0][cell[0]])
    trials = iter(ended(table, (3, None), (1, 200.0), (2, None), (0, 100.0)))
    found = judged(trials, table, 0, near=0.01, until=0)
    assert (found.epochs, found.trials, found.arrived) == (32, 4, False)
    assert next(trials).cell == cell_of(table, 0)  # nothing was asked for after the last good cell was stopped


def test_a_search_is_followed_until_its_budget_is_spent():
    table = planted((4,), lambda cell, seed: [400.0, 100.0, 100.0, 100.0][cell[0]])
    trials = iter(ended(table, (0, 400.0), (1, 100.0), (2, 100.0), (3, 100.0)))
    found = judged(trials, table, 0, near=0.01, until=24)
    assert (found.epochs, found.trials, found.arrived) == (8, 1, True)
    assert len(list(trials)) == 1


def test_figures_are_means_with_the_ratio_paired():
    table = planted((4,), lambda cell, seed: [400.0, 100.0, 100.0, 100.0][cell[0]])

    def search(*values):
        return judged(ended(table, *((v, 400.0 if v == 0 else 100.0) for v in values)), table, 0, near=0.01, until=8)

    control = [search(1, 0), search(1, 2, 0), search(1, 2, 3, 0)] * 10
    mine = [search(0)] * 30
    found = summed("tpe", "none", mine, control, table, budget=1)
    assert (found.images.value, found.trials.value, found.never, found.verdict) == (80.0, 1.0, 0.0, "fewer")
    assert found.ratio.value == pytest.approx(1 / 3) and found.ratio.high < 0.4
    assert (found.regret.value, found.regret.high) == (0.0, 0.0)
    slow = summed("tpe", "none", control, mine, table, budget=1)
    assert (slow.verdict, slow.regret.value) == ("more", pytest.approx(0.75))
    assert summed("random", "none", control, control, table, budget=1).verdict is None
    assert summed("tpe", "none", list(control), control, table, budget=1).verdict == "undecided"
    assert not math.isnan(found.ratio.low)
