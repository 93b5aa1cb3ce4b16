"""The seeds that an effect needs, from a study's own noise."""

from pathlib import Path

import pytest

from kpbench.analysis.ablation.analysis import analyse
from kpbench.analysis.ablation.needed import seeds_for_effect
from kpbench.errors import UsageError
from kpbench.statistics.power import equivalence_power, seeds_for
from kpbench.statistics.scale import log_margin
from tests.ablation_rows import analysis


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return analysis(tmp_path_factory.mktemp("s") / "norm")


def test_every_contrast_with_effect_and_power(found):
    batch, _ = seeds_for_effect(found)
    assert (batch["factor"], batch["level"], batch["baseline"], batch["n"]) == ("network.norm", "batch", "none", 8)
    assert (batch["effect"], batch["power"], batch["at"]) == (0.05, 0.8, {})
    ratio = log_margin(0.05) / batch["sd"]
    assert batch["seeds"] == max(7, seeds_for(ratio, contrasts=2))
    assert batch["cautious"] > batch["seeds"]
    assert equivalence_power(ratio, batch["equivalent"], contrasts=2) >= 0.8
    assert equivalence_power(ratio, batch["equivalent"] - 1, contrasts=2) < 0.8


def test_where_collapse_decides_the_noise_does_not_count():
    """The heads' contrasts, whose sd differ by a factor of three: the number that docs/statistics.md gives."""
    root = Path(__file__).parents[3]
    needed = seeds_for_effect(analyse(root / "reports" / "heads"))
    assert {(one["equivalent"], one["without_collapse"], one["equivalent_set_by"]) for one in needed} == {
        (104, 104, "collapse")
    }
    assert max(one["sd"] for one in needed) > 3 * min(one["sd"] for one in needed)
    text = " ".join((root / "docs" / "statistics.md").read_text(encoding="utf-8").split())
    assert "asks the same 104 seeds for *equivalent*" in text


def test_more_power_and_a_smaller_effect_need_more_seeds(found):
    usual, sure, small = (
        seeds_for_effect(found, sesoi=sesoi, power=power)[0] for sesoi, power in ((0.1, 0.8), (0.1, 0.95), (0.01, 0.8))
    )
    for column in ("seeds", "cautious", "equivalent"):
        assert usual[column] < sure[column] < small[column]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sesoi": 1e-4}, "network.norm batch: more than 1,000,000 seeds are needed for an effect of 0.01 %"),
        ({"sesoi": 1e-9}, "more than 1,000,000 seeds"),
        ({"sesoi": 0.0}, "--effect must lie between 0 and 1, got 0"),
        ({"sesoi": float("nan")}, "--effect must lie"),
        ({"sesoi": 1.5}, "--effect must lie"),
        ({"power": 0.05}, "--power must lie between the study's error rate 0.05 and 1"),
        ({"power": float("nan")}, "--power must lie"),
    ],
)
def test_what_cannot_be_sized_is_refused(found, options, says):
    with pytest.raises(UsageError, match=says):
        seeds_for_effect(found, **options)


def test_noise_needs_two_blocks(tmp_path):
    with pytest.raises(UsageError, match=r"batch has 1 complete block; its noise needs at least two"):
        seeds_for_effect(analysis(tmp_path / "norm", runs=3))
