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


def test_the_card_s_own_adamw_goes_where_torch_s_does():
    pytest.importorskip("triton", reason="Triton comes with torch for CUDA, and with the extra test")
    from kpbench.training.card_adamw import CardAdamW

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    start = torch.randn(3000, device=device)
    mine, theirs = (nn.Parameter(start.clone()) for _ in range(2))
    given = {"lr": 0.01, "weight_decay": 0.1}
    own, known = CardAdamW([mine], **given), torch.optim.AdamW([theirs], **given)
    for step in range(6):
        for parameter, optimizer in ((mine, own), (theirs, known)):
            parameter.grad = torch.sin(start * (step + 1)) * parameter.detach()
            optimizer.param_groups[0].update(lr=0.01 / (step + 1), betas=(0.95 - 0.01 * step, 0.999))
            optimizer.step()
        if step == 2:  # what was begun by one can be gone on with by the other
            own.load_state_dict(copy.deepcopy(known.state_dict()))
    torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)  # rounding; a step is 0.01


def test_copies_stand_in_for_what_autocast_casts_and_leave_the_same_gradients():
    torch.manual_seed(0)
    network = Network()
    x = torch.randn(8, 2, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        copy.deepcopy(network)(x)  # the norm's statistics move in both
        plain = copy.deepcopy(network)
        plain(x).square().mean().backward()
    given = {"weight_decay": 0.1, "spare_norms": False, "joined": True}
    weights = Weights(list(network.parameters()), **given, cast=torch.bfloat16)
    working = weights.working(network)
    assert set(working) == {"0.weight", "4.weight", "4.bias"}
    for _ in range(2):  # the second step's gradients are not added to the first's
        weights.forget()
        with torch.autocast("cpu", torch.bfloat16):
            torch.func.functional_call(network, working, (x,)).square().mean().backward()
        weights.collect()
    expected = Weights(list(plain.parameters()), **given)
    expected.collect()
    torch.testing.assert_close(weights.moved[0].grad, expected.moved[0].grad, rtol=0, atol=0)
