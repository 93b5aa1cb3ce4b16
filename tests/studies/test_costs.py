"""What cells cost before they are trained: counted, measured once, and held to limits."""

import itertools

import pytest

from kpbench.errors import UsageError
from kpbench.networks.families import flops, size_of
from kpbench.studies import costs
from kpbench.studies.costs import Costing
from kpbench.studies.preflight import prepare_task

SPACE = """
family = "cnn"
[network]
depth = [1, 2, 3]
width = 4
head_width = 8
[training]
lr = [1e-3, 3e-3]
"""


@pytest.fixture
def task(tmp_path):
    (tmp_path / "three.toml").write_text(SPACE)
    return prepare_task(str(tmp_path / "three.toml"), "cpu", 2)


@pytest.fixture
def clock(monkeypatch):
    """Latencies of 1, 2, 3, ... ms, in the order in which they are measured; answers how many were."""
    measured = itertools.count(1)
    monkeypatch.setattr(costs, "latency", lambda params, device: (float(next(measured)), 0.5, 9.0))
    return lambda: next(measured) - 1


def cells(task):
    return list(task.space.cells())


def test_a_cell_costs_what_its_network_is_counted_as(task):
    (cell, *_) = cells(task)
    params = task.complete(cell)
    found = Costing(task, ("params", "flops"), {}).of(params)
    assert found == {"params": size_of(params)[0], "flops": flops(params)}
    assert Costing(task, ("params", "flops"), {}).beside_parameters(params) == {"flops": flops(params)}
    assert Costing(task, (), {}).beside_parameters(params) is None


def test_a_network_is_measured_once_however_it_is_trained_and_never_where_it_is_known(task, clock):
    kept = []
    costing = Costing(task, ("latency",), {}, keep=kept.append)
    found = [costing.of(task.complete(cell))["latency"] for cell in cells(task) + cells(task)]
    assert found == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0] * 2
    assert [one.median for one in kept] == [1.0, 2.0, 3.0]
    assert kept[0].device == costing.device and "thread" in costing.device
    again = Costing(task, ("latency",), {}, {one.network: one for one in kept})
    assert [again.of(task.complete(cell))["latency"] for cell in cells(task)] == found[:6]
    assert clock() == 3


def test_limits_decide_which_cells_are_legal_and_what_is_counted_spares_measuring(task, clock):
    sizes = sorted({task.size(task.complete(cell))[0] for cell in cells(task)})
    costing = Costing(task, ("params", "latency"), {"params": sizes[1], "latency": 1.0})
    legal = costing.legal_cells()
    assert len(legal) == costing.size() == 2  # one network, the first that was measured, with both rates
    assert clock() == 2
    assert Costing(task, (), {}).size() == 6


def test_limits_that_no_cell_keeps_are_refused_with_the_least(task, clock):
    with pytest.raises(UsageError, match=r"space 'three' keeps --max-params 10; the least found: params \d+,\d{3}$"):
        Costing(task, ("params",), {"params": 10.0}).check(("score",))
    with pytest.raises(
        UsageError, match=r"keeps --max-flops 5,000,000,000 and --max-latency-ms 0.5; .* latency 1.00 ms"
    ):
        Costing(task, ("flops", "latency"), {"flops": 5e9, "latency": 0.5}).check(("score",))


@pytest.mark.parametrize("name", ["params", "flops", "latency"])
def test_an_objective_that_is_the_same_in_every_cell_is_refused(task, tmp_path, name, clock):
    Costing(task, (name,), {}).check(("score", name))
    (tmp_path / "one.toml").write_text(SPACE.replace("[1, 2, 3]", "2"))
    same = prepare_task(str(tmp_path / "one.toml"), "cpu", 2)
    with pytest.raises(UsageError, match=f"--objective {name} has no meaning in search space 'one'") as refusal:
        Costing(same, (name,), {}).check(("score", name))
    assert "\n" not in str(refusal.value)


def test_a_continuum_is_looked_at_by_drawing_cells(tmp_path):
    (tmp_path / "c.toml").write_text(SPACE.replace("[1e-3, 3e-3]", "{ low = 1e-4, high = 1e-2, log = true }"))
    task = prepare_task(str(tmp_path / "c.toml"), "cpu", 2)
    assert Costing(task, ("params",), {"params": 1e6}).legal_cells() is None
    Costing(task, ("params",), {"params": 1e6}).check(("score", "params"))
    with pytest.raises(UsageError, match="no cell of search space 'c' keeps --max-params 10"):
        Costing(task, ("params",), {"params": 10.0}).check(("score",))


def test_a_network_that_cannot_be_measured_is_not_legal(task, monkeypatch):
    def broken(params, device):
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(costs, "latency", broken)
    assert not Costing(task, ("latency",), {"latency": 9.0}).legal(cells(task)[0])
    with pytest.raises(UsageError, match="latency cannot be found: RuntimeError: no such kernel"):
        Costing(task, ("latency",), {}).of(task.complete(cells(task)[0]))
