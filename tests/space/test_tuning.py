"""Equal tuning: the same recipes for every cell, the best by validation, and an audit that counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kpbench.cell import cell_id
from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.seeds import block_seed
from kpbench.space.reading import read_space
from kpbench.space.recipes import plan_tuning
from kpbench.space.tuning import NEAR_END, Replicate, Span, audit, best_recipe, of_cell, tunings
from tests.ablation_rows import row

SPACE = """
family = "cnn"
[network]
norm = ["none", "batch"]
dropout = ["none", "spatial"]
dropout_rate = { low = 0.02, high = 0.5, when = { "network.dropout" = ["spatial"] } }
width = 4
[training]
lr = { low = 1e-4, high = 1e-2, log = true }
batch_size = { low = 8, high = 64 }
"""


OWN = {"network.dropout_rate": 0.1, "training.lr": 3e-3, "training.batch_size": 32}


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "ranges.toml"
    path.write_text(SPACE)
    return read_space(path, known_parameters())


def test_recipes_begin_with_the_spaces_own_and_cover_each_range(space):
    tuning = plan_tuning(space, ["network.norm"], own=OWN, how="locked", trials=9, seed=3)
    assert set(tuning.spans) == {"network.dropout_rate", "training.lr", "training.batch_size"}
    first, *drawn = tuning.recipes
    assert first == {} and len(drawn) == 8
    for name, span in tuning.spans.items():
        places = sorted(int(min(span.share(recipe[name]), 0.999) * 8) for recipe in drawn)
        if name == "training.lr":  # one in each eighth of the logarithmic range: a Latin hypercube
            assert places == list(range(8))
        assert len({recipe[name] for recipe in drawn}) >= 6
    assert all(isinstance(recipe["training.batch_size"], int) for recipe in drawn)
    assert tuning == plan_tuning(space, ["network.norm"], own=OWN, how="locked", trials=9, seed=3)
    assert tuning.recipes != plan_tuning(space, ["network.norm"], own=OWN, how="locked", trials=9, seed=4).recipes


def test_a_value_outside_its_range_is_not_tried(space):
    tuning = plan_tuning(space, [], own={**OWN, "training.lr": 3e-2}, how="locked", trials=3, seed=0)
    assert tuning.recipes[0] == {"training.lr": tuning.spans["training.lr"].at(0.5)}
    assert tuning.spans["training.lr"].share(tuning.recipes[0]["training.lr"]) == pytest.approx(0.5, abs=0.01)


def test_tuning_uses_a_seed_that_no_block_has(space):
    tuning = plan_tuning(space, [], own=OWN, how="locked", trials=2, seed=1)
    assert tuning.seed not in {block_seed(1, block) for block in range(5_000)}


@pytest.mark.parametrize(
    ("how", "trials", "factors", "words"),
    [
        ("cell", 8, [], "unknown --tune 'cell'"),
        ("locked", 1, [], "--tune-trials must be at least 2"),
        ("locked", 8, ["network.dropout_rate", "training.lr", "training.batch_size"], "no range to tune"),
    ],
)
def test_what_cannot_be_tuned_is_refused(space, how, trials, factors, words):
    with pytest.raises(UsageError, match=words):
        plan_tuning(space, factors, own=OWN, how=how, trials=trials, seed=0)


def test_none_is_none(space):
    assert plan_tuning(space, [], own=OWN, how="none", trials=8, seed=0) is None


@given(st.floats(0, 1), st.sampled_from([(1e-5, 1e-1, True), (0.0, 1.0, False), (8, 64, False), (1, 1000, True)]))
def test_a_value_lies_in_its_range_where_it_was_asked_for(share, bounds):
    span = Span(low=bounds[0], high=bounds[1], log=bounds[2])
    value = span.at(share)
    assert span.low <= value <= span.high
    step = 0.02 if isinstance(span.low, float) else 0.11  # whole numbers near 1 are far apart on a log scale
    assert span.share(value) == pytest.approx(share, abs=step)


def tried(norm, lr, score, state="complete"):
    found = row("ablation", {"network.norm": norm}, 7_000, 0)
    params = {**found.params, "training.lr": lr}
    return replace(
        found,
        role="tuning",
        params=params,
        cell=cell_id(params),
        state=state,
        val_score=score,
        val_mse=1 / (2 * score),
        test_mse=None,
        epochs=3,
    )


def test_the_best_recipe_is_that_of_the_lowest_validation_error():
    rows = [tried("none", 1e-3, 150.0), tried("none", 3e-3, 180.0), tried("none", 9e-3, 900.0, "failed")]
    assert best_recipe(rows).params["training.lr"] == 3e-3
    assert best_recipe([]) is None and best_recipe(rows[2:]) is None


def test_the_audit_counts_what_was_spent_and_flags_the_ends(space):
    tuning = plan_tuning(space, ["network.norm"], own=OWN, how="per-cell", trials=3, seed=0, blocks=(1000,))
    rows = [tried("none", 1e-3, 150.0), tried("none", 9.9e-3, 180.0), tried("batch", 1e-3, 90.0)]
    rows += [tried("batch", 5e-3, 80.0, "failed"), row("ablation", {"network.norm": "batch"}, 0, 0)]
    none, batch = audit(rows, [{"network.norm": "none"}, {"network.norm": "batch"}], (), tuning)
    assert (none.trials, none.epochs, none.failed, none.diverged, none.val_score) == (2, 6, 0, 0, 180.0)
    assert none.chosen == {"training.lr": 9.9e-3} and none.at_ends == ("training.lr",)
    assert (batch.trials, batch.failed, batch.at_ends) == (2, 1, ())
    assert tuning.spans["training.lr"].share(9.9e-3) > 1 - NEAR_END


def test_locked_tuning_looks_at_the_baseline_alone(space):
    tuning = plan_tuning(space, ["network.norm"], own=OWN, how="locked", trials=3, seed=0)
    (only,) = audit([tried("none", 1e-3, 150.0)], [{"network.norm": "none"}, {"network.norm": "batch"}], (), tuning)
    assert only.levels == {"network.norm": "none"}


def test_a_recipe_that_ran_again_counts_once():
    twice = [tried("none", 1e-3, 150.0, "failed"), tried("none", 1e-3, 160.0)]
    once = Replicate(block=None, seed=7_000, recipes=())
    assert [found.val_score for found in of_cell(twice, {"network.norm": "none"}, once)] == [160.0]
    assert of_cell(twice, {"network.norm": "none"}, once.model_copy(update={"seed": 7_001})) == []


def test_per_cell_tuning_has_recipes_and_a_seed_of_its_own_for_each_block(space):
    blocks = (1000, 1001, 5000)
    tuning = plan_tuning(space, ["network.norm"], own=OWN, how="per-cell", trials=4, seed=0, blocks=blocks)
    assert [one.block for one in tuning.by_block] == list(blocks) and not tuning.once
    assert len({one.seed for one in tuning.by_block} | set(blocks)) == 6
    assert tuning.of_block(1001) == tuning.by_block[1]
    recipes = [one.recipes for one in tuning.by_block]
    assert all(len(tried) == 4 and tried[0] == recipes[0][0] for tried in recipes)
    assert len({tried[1]["training.lr"] for tried in recipes}) == 3
    cells = [{"network.norm": "none"}, {"network.norm": "batch"}]
    planned = [(levels["network.norm"], one.block) for levels, one in tunings(cells, blocks[2:], tuning)]
    assert planned == [("none", 1000), ("none", 1001), ("batch", 1000), ("batch", 1001), ("none", 5000)]
