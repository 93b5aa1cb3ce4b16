"""Latency is of the network asked, and of its thread alone."""

import time

import torch
from torch import nn

from kpbench.networks.latency import LEAST, WARM_UP, latency
from kpbench.training.device import threads

SMALL = {"family": "cnn", "network.depth": 1, "network.width": 2, "network.head_width": 0, "network.kernel": 3}
LARGE = {**SMALL, "network.depth": 4, "network.width": 64}


def test_a_larger_network_takes_longer_and_the_spread_holds_the_median():
    with threads(1):
        median, low, high = latency(SMALL, "cpu", repeats=15)
        assert 0 < low <= median <= high
        assert latency(LARGE, "cpu", repeats=15)[0] > 3 * median


def test_waiting_for_the_processor_is_not_counted(monkeypatch):
    class Waits(nn.Module):
        def forward(self, x):
            time.sleep(0.02)
            return x

    monkeypatch.setattr("kpbench.networks.latency.build", lambda params: Waits())
    with threads(1):
        assert latency(SMALL, "cpu", repeats=5)[0] < 5
    with threads(2):  # others work too, so that the time until it is done counts
        assert latency(SMALL, "cpu", repeats=5)[0] >= 20


def test_a_slow_network_is_measured_in_a_few_passes(monkeypatch):
    passes = []

    class Slow(nn.Module):
        def forward(self, x):
            passes.append(len(x))
            time.sleep(0.01)
            return x

    monkeypatch.setattr("kpbench.networks.latency.build", lambda params: Slow())
    monkeypatch.setattr("kpbench.networks.latency.LONGEST", 0.02)
    latency(SMALL, "cpu", batch=64)
    assert passes == [64] * (WARM_UP + LEAST)


def test_measuring_draws_nothing_of_the_caller():
    torch.manual_seed(0)
    wanted = torch.rand(3)
    torch.manual_seed(0)
    latency(SMALL, "cpu", repeats=2)
    assert torch.equal(torch.rand(3), wanted)
