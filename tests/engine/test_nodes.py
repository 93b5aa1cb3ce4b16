"""Nodes that differ in what the numbers depend on are refused."""

import pytest

from kpbench.engine.evaluate import own_versions
from kpbench.engine.nodes import Found, agreed
from kpbench.errors import UsageError
from kpbench.training.device import Device

CPU = Device("cpu", "a processor", "bf16")


def node(name="10.0.0.2", device=CPU, **versions):
    return Found(name, own_versions() | versions, device)


def test_equal_nodes_give_their_device():
    assert agreed([node(), node("10.0.0.3")], any_version=False) == CPU


def test_another_version_is_refused_or_allowed():
    nodes = [node(), node("10.0.0.3", torch="2.9.0")]
    with pytest.raises(UsageError, match=r"node 10.0.0.3 has torch 2.9.0 \(here .*--any-version"):
        agreed(nodes, any_version=False)
    assert agreed(nodes, any_version=True) == CPU


@pytest.mark.parametrize("other", [Device("cpu", "old", "fp32"), Device("cuda", "card", "bf16")])
def test_nodes_of_two_kinds_do_not_go_together(other):
    with pytest.raises(UsageError, match=r"node 10.0.0.3 trains on \w+ in \w+ and node 10.0.0.2 on cpu in bf16"):
        agreed([node(), node("10.0.0.3", other)], any_version=True)
