"""Named parts of a recipe: optimisers, schedules, losses, the moving average; each by its formula."""

import math

import pytest
import torch
from torch import nn

from kpbench.training.recipe import (
    LOSSES,
    OPTIMIZERS,
    PIXEL,
    SCHEDULES,
    Average,
    constant,
    flat_cosine,
    make_optimizer,
    masked_mean,
)
from kpbench.training.weights import Weights


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))


def groups(model, *, weight_decay=0.0, spare_norms=False):
    given = {"weight_decay": weight_decay, "spare_norms": spare_norms, "joined": False}
    return Weights(list(model.parameters()), **given).groups


def trained(model, name, *, steps=40, lr=1e-2, schedule="one_cycle", **options):
    stepper = make_optimizer(name, groups(model, **options), lr=lr)
    rate = SCHEDULES[schedule](stepper, lr, steps)
    x = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    y = x.mean((2, 3)).expand(-1, 2)
    losses, rates = [], []
    for _ in range(steps):
        rates.append(stepper.param_groups[0]["lr"])
        loss = (model(x) - y).square().mean()
        stepper.zero_grad()
        loss.backward()
        stepper.step()
        rate.step()
        losses.append(loss.item())
    return losses, rates


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_learns_under_every_schedule(name, schedule):
    losses, _ = trained(network(), name, schedule=schedule)
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_spares_norms_and_biases_where_asked(name):
    """With gradients of zero only decay moves a weight."""
    for spare in (False, True):
        model = network()
        nn.init.ones_(model[0].bias)
        before = [p.detach().clone() for p in model.parameters()]
        stepper = make_optimizer(name, groups(model, weight_decay=0.5, spare_norms=spare), lr=0.1)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        stepper.step()
        for old, new in zip(before, model.parameters(), strict=True):
            if old.ndim > 1 or (not spare and old.abs().sum() > 0):
                assert new.abs().sum() < old.abs().sum()
            else:
                assert torch.equal(old, new)


def test_schedules_go_up_and_where_they_say():
    for factor in (constant, flat_cosine):
        assert factor(0.025) == pytest.approx(0.5)
        assert factor(0.05) == factor(0.3) == factor(0.5) == 1.0
    assert constant(1.0) == 1.0
    assert flat_cosine(0.75) == pytest.approx(0.5)
    assert flat_cosine(1.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_peak_of_a_schedule_is_the_rate(schedule):
    _, rates = trained(network(), "sgd", schedule=schedule, steps=100)
    assert max(rates) == pytest.approx(1e-2, rel=1e-2)
    assert rates[0] < 0.3 * max(rates)
    assert (rates[-1] < 0.1 * max(rates)) == (schedule != "constant")


def test_losses_by_hand():
    zero = torch.zeros(3)
    away = torch.tensor([0.5, 2.0, 30.0]) * PIXEL
    found = {name: loss(away, zero) for name, loss in LOSSES.items()}
    torch.testing.assert_close(found["mse"], away**2)
    torch.testing.assert_close(found["l1"], away)
    torch.testing.assert_close(found["smooth_l1"], torch.tensor([0.125, 1.5, 29.5]) * PIXEL)
    by_hand = [10 * math.log(1 + 0.25), 10 * math.log(2), 30 - (10 - 10 * math.log(6))]
    torch.testing.assert_close(found["wing"], torch.tensor(by_hand) * PIXEL)


@pytest.mark.parametrize("name", LOSSES)
def test_a_missing_label_has_no_part_in_a_loss_and_no_gradient(name):
    g = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(4, 15, 2, generator=g).requires_grad_(), torch.randn(4, 15, 2, generator=g)
    torch.testing.assert_close(masked_mean(LOSSES[name], predicted, target), LOSSES[name](predicted, target).mean())
    target[1, 3] = torch.nan
    loss = masked_mean(LOSSES[name], predicted, target)
    loss.backward()
    known = torch.isfinite(target)
    torch.testing.assert_close(loss, LOSSES[name](predicted[known], target[known]).mean())
    assert (predicted.grad[1, 3] == 0).all()
    assert (predicted.grad[known] != 0).all()


def test_the_average_is_the_exponential_one_with_a_short_memory_at_first():
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    average = Average([model], 0.9)
    wanted = None
    for step in range(30):
        with torch.no_grad():
            model[0].weight.fill_(float(step))
            model[1].running_mean.fill_(float(-step))
            model[1].num_batches_tracked.fill_(step)
        average.update()
        keep = min(0.9, (1 + step) / (10 + step))
        wanted = float(step) if wanted is None else keep * wanted + (1 - keep) * step
    assert average.networks[0][0].weight.item() == pytest.approx(wanted, rel=1e-5)
    assert average.networks[0][1].running_mean.item() == pytest.approx(-wanted, rel=1e-5)
    assert average.networks[0][1].num_batches_tracked.item() == 29
    assert model[0].weight.item() == 29.0
