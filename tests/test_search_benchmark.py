"""The committed figures of replayed searches are what the committed tables give."""

import json

import pytest

from benchmarks.search import replay

FIGURES = json.loads((replay.HERE / "figures.json").read_text())
TABLES = replay.tables()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_correlations_are_those_of_the_table(name):
    assert FIGURES[name]["correlations"] == replay.correlations(TABLES[name])
    assert FIGURES[name]["seeds"] == len(TABLES[name].seeds)


@pytest.mark.parametrize("sampler", ["random", "evolution", pytest.param("tpe", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", sorted(TABLES))
def test_the_replays_are_those_of_the_table(name, sampler):
    assert replay.REPLAYS == FIGURES["replays"] == 200
    assert FIGURES[name][sampler] == replay.figures(TABLES[name], sampler)


def test_the_late_rung_is_the_rule_that_is_replayed():
    from kpbench.sampling.schedulers import DEFAULT, late

    assert DEFAULT == "asha_late"
    assert replay.RULES["rung at five eighths"] == ((8, late(8)),)


def test_a_search_that_sees_everything_arrives_and_one_that_is_stopped_pays_for_all():
    table = TABLES["real faces, 18 cells"]
    assert all(did for _, did in replay.epochs_to_arrive(table, "random", "none", 20))
    late = replay.epochs_to_arrive(table, "random", "rung at a third", 20)
    assert {epochs for epochs, did in late if not did} == {8 * 18}
