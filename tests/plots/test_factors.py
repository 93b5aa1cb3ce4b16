import pytest

from kpbench.plots.factors import clipped, describe, on_scales, show_level, varying
from kpbench.statistics.words import show_number
from tests.study_rows import row


def rows_with(name, values):
    return [row({"fixed": 3, name: value}, trial=trial) for trial, value in enumerate(values)]


def test_only_parameters_that_vary_are_factors():
    assert [factor.name for factor in varying(rows_with("network.norm", ["none", "batch"]))] == ["network.norm"]
    assert varying(rows_with("network.norm", ["none", "none"])) == ()
    assert varying([]) == ()


def test_levels_are_in_natural_order_and_none_comes_first():
    assert varying(rows_with("a", [10, 9, 2]))[0].levels == (2, 9, 10)
    assert varying(rows_with("a", ["spatial", "batch", "none"]))[0].levels == ("none", "batch", "spatial")


def test_a_number_with_many_values_is_a_range_and_logarithmic_over_decades():
    decades = varying(rows_with("training.lr", [10**-power for power in range(1, 11)]))[0]
    assert decades.ranged and decades.log
    assert varying(rows_with("rate", [index / 10 for index in range(11)]))[0].log is False
    assert not varying(rows_with("depth", [2, 3, 4, 5]))[0].ranged


def test_a_parameter_some_cells_lack_has_the_level_none_unless_ranged():
    found = varying([row({"a": 1, "rate": 0.5}), row({"a": 1, "rate": 0.1}), row({"a": 1})])
    assert [factor.name for factor in found] == ["rate"]
    assert found[0].levels == (0.1, 0.5, None)


def test_a_parameter_with_one_value_wherever_it_has_a_part_does_not_vary():
    assert varying([row({"a": 1, "rate": 0.5}), row({"a": 2})])[0].name == "a"
    assert len(varying([row({"a": 1, "rate": 0.5}), row({"a": 2})])) == 1


def test_axes_follow_the_space():
    """A range that is not said to be logarithmic is even, however far its values span, and the other way round."""
    found = varying([row({"near": 1e-3 * (1 + at), "far": 10.0**-at, "few": at % 2}, trial=at) for at in range(10)])
    assert {factor.name: factor.log for factor in found} == {"far": True, "few": False, "near": False}
    followed = on_scales(found, {"near": True, "far": False, "few": True})
    assert {factor.name: factor.log for factor in followed} == {"far": False, "few": False, "near": True}
    assert on_scales(found, None) == found


def test_a_range_of_the_space_is_one_also_where_few_values_were_tried():
    rows = [row({"rate": 0.1}), row({"rate": 0.3}, trial=1), row({"a": 1}, trial=2)]
    (found,) = on_scales(varying(rows), {"rate": False})
    assert found.ranged and found.levels == (0.1, 0.3) and found.ends == (0.1, 0.3)
    assert not on_scales(varying(rows), {})[0].ranged  # a list of the space stays one


def test_true_and_one_are_two_levels():
    assert varying(rows_with("a", [True, 1]))[0].levels == (True, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "absent"), (True, "yes"), (0.00012345, "1.23e-4"), (0.5, "0.5"), (4, "4"), ("käse", "käse")],
)
def test_a_level_for_reading(value, text):
    assert show_level(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1e-5, "1e-5"), (2.5e-4, "2.5e-4"), (0.001, "0.001"), (1234567.0, "1.23e6"), (0.0, "0")]
)
def test_a_small_number_for_reading(value, text):
    assert show_number(value) == text


def test_a_cell_in_one_line_uses_full_names_only_where_short_ones_clash():
    rows = [row({"network.rate": 1, "training.rate": 1, "network.norm": "none"}),
            row({"network.rate": 2, "training.rate": 2, "network.norm": "batch"})]  # fmt: skip
    assert describe(rows[1].params, varying(rows)) == "norm batch, network.rate 2, training.rate 2"


def test_clipping_keeps_both_ends():
    assert clipped("short", length=10) == "short"
    assert clipped("mobilenetv3_small_050.lamb_in1k", length=15) == "mobilenet…_in1k"
    assert len(clipped("x" * 50, length=15)) == 15
