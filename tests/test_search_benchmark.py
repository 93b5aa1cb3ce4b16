"""The committed figures of replayed searches are what the committed tables give."""

import json

import pytest

from benchmarks.search import replay
from kpbench.sampling import samplers, schedulers

FIGURES = json.loads((replay.HERE / "figures.json").read_text())
TABLES = replay.tables()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_correlations_are_those_of_the_table(name):
    runs, _ = TABLES[name]
    assert FIGURES[name]["correlations"] == replay.correlations(runs)
    assert FIGURES[name]["seeds"] == len(runs.seeds)


@pytest.mark.parametrize("name", [name for name in sorted(TABLES) if "18" in name])
def test_random_searches_of_a_small_table_are_those_committed(name):
    assert replay.REPLAYS == FIGURES["replays"] == 200
    runs, replayed = TABLES[name]
    assert FIGURES[name]["random"] == replay.figures(runs, "random", replayed["random"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sampler"), [(name, sampler) for name, (_, replayed) in TABLES.items() for sampler in replayed]
)
def test_all_replays_are_those_committed(name, sampler):
    runs, replayed = TABLES[name]
    assert FIGURES[name][sampler] == replay.figures(runs, sampler, replayed[sampler])


def test_a_cooled_run_is_the_beginning_of_the_whole_one():
    runs, _ = TABLES["real faces, cooled down"]
    assert len(runs.short) == 18 * 3 * 3
    for (cell, seed, epochs), scores in runs.short.items():
        assert scores[: epochs // 2] == runs.scores[cell, seed][: epochs // 2]


def test_a_short_run_goes_on_where_it_was_cooled_down_and_else_begins_anew():
    cooled, anew = (TABLES[f"real faces, {how}"][0] for how in ("cooled down", "short runs anew"))
    for runs, whole, twice in ((cooled, 2 + 7, 1 + 1.5 + 7), (anew, 2 + 8, 1 + 2 + 8)):
        seed = runs.seeds[0]
        assert replay.staged(runs, "short run of 2 epochs", seed)(runs.cells[0]).epochs == whole
        assert replay.staged(runs, "short runs of 1, then 2", seed)(runs.cells[0]).epochs == twice
        assert replay.staged(runs, "rung at half", seed)(runs.cells[0]).epochs == 8


def test_what_the_log_says_of_the_samplers():
    """The default sampler and rule train less than half of what random search trains until they have a best cell."""
    found = FIGURES["built-in faces, 60 cells"]
    chosen, chance = found[samplers.DEFAULT][schedulers.DEFAULT], found["random"]["none"]
    assert round(chosen["epochs"] / chance["epochs"], 2) == 0.41
    assert chosen["interval"][1] < 0.5 * chance["interval"][0]
    assert round(found["tpe"]["none"]["epochs"] / chance["epochs"], 2) == 0.62
    for name, ratio in (("built-in faces, 18 cells", 0.72), ("real faces, 18 cells", 0.68)):
        found = FIGURES[name]
        chosen = found[samplers.DEFAULT][schedulers.DEFAULT]
        assert round(chosen["epochs"] / found["random"]["none"]["epochs"], 2) == ratio
        assert chosen["interval"][1] < found["tpe"]["none"]["interval"][0]


def test_what_the_log_says_of_short_runs_on_real_faces():
    anew, cooled = (FIGURES[f"real faces, {how}"] for how in ("short runs anew", "cooled down"))
    for found, said in ((anew, (0.52, 0.84, 0.16, 0.18, 0.51)), (cooled, (0.79, 0.93, 0.41, 0.72, 0.97))):
        stages = ("epoch 2 of 8", "epoch 4 of 8", "short run of 1", "short run of 2", "short run of 4")
        assert [found["correlations"][stage] for stage in stages] == pytest.approx(said, abs=0.0051)
        best = found["additive"]["none"]
        assert all(one["interval"][1] > best["interval"][0] for one in found["additive"].values())
    assert [round(one["random"]["none"]["epochs"]) for one in (anew, cooled)] == [73, 74]
    assert [round(one["additive"]["none"]["epochs"]) for one in (anew, cooled)] == [53, 63]
    ratios = [one["additive"]["none"]["epochs"] / one["random"]["none"]["epochs"] for one in (anew, cooled)]
    assert ratios == pytest.approx([0.72, 0.85], abs=0.005)


@pytest.mark.parametrize("name", [name for name, (_, replayed) in TABLES.items() if replayed is replay.REPLAYED])
def test_with_the_default_sampler_no_rule_saves_images(name):
    by_rule = FIGURES[name][samplers.DEFAULT]
    assert all(one["interval"][1] > by_rule["none"]["interval"][0] for one in by_rule.values())


def test_the_best_of_60_cells_is_often_behind_at_the_rung():
    """The ranks that the log tells: of the cell that is best by the other seeds, at epoch 5 and at the end."""
    (table, _), ranks = TABLES["built-in faces, 60 cells"], {5: [], 8: []}
    for seed in table.seeds:
        best = max(truth := table.truth(seed), key=lambda cell: truth[cell])
        for epoch, found in ranks.items():
            order = sorted(table.cells, key=lambda cell: -table.scores[cell, seed][epoch - 1])
            found.append(order.index(best) + 1)
    assert ranks == {5: [29, 1, 33], 8: [14, 3, 4]}


def test_the_late_rung_is_the_rule_that_is_replayed():
    assert replay.RULES["rung at five eighths"] == ((8, schedulers.late(8)),)


def test_a_search_that_sees_everything_arrives_and_one_that_is_stopped_pays_for_all():
    table, _ = TABLES["real faces, 18 cells"]
    assert all(did for _, did in replay.epochs_to_arrive(table, "random", "none", 20))
    late = replay.epochs_to_arrive(table, "random", "rung at a third", 20)
    assert {epochs for epochs, did in late if not did} == {8 * 18}
