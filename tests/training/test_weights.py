"""Weights that are one parameter to the optimiser go where they would go one by one."""

import copy

import pytest
import torch
from torch import nn

from kpbench.training.recipe import JOINED, make_optimizer
from kpbench.training.weights import Weights


class Network(nn.Sequential):
    """Weights of four, two and one dimension, and one that no gradient reaches."""

    def __init__(self):
        super().__init__(
            nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2)
        )
        self.unused = nn.Parameter(torch.zeros(3))


def after_steps(network, name, *, spare_norms, joined, steps=5):
    weights = Weights(list(network.parameters()), weight_decay=0.1, spare_norms=spare_norms, joined=joined)
    stepper = make_optimizer(name, weights.groups, lr=0.01)
    x = torch.randn(8, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        weights.forget()
        network(x).square().mean().backward()
        weights.collect()
        stepper.step()
    assert len(weights.moved) == (1 + spare_norms if joined else 6)
    return network.state_dict()


@pytest.mark.parametrize("spare_norms", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("name", JOINED["cuda"])
def test_joined_weights_go_where_they_would_one_by_one(name, layout, spare_norms):
    torch.manual_seed(0)
    network = Network().to(memory_format=layout)
    expected = after_steps(copy.deepcopy(network), name, spare_norms=spare_norms, joined=False)
    start = network[0].weight.stride()
    found = after_steps(network, name, spare_norms=spare_norms, joined=True)
    assert network[0].weight.stride() == start
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)
    assert not torch.equal(found["0.weight"], Network()[0].weight)
