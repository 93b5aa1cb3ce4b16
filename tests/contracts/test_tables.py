"""One suite over the tables: whatever stands in one keeps its contract by standing there."""

import inspect
from itertools import product

import numpy as np
import optuna
import pytest
import torch

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.faces.datasets import DATASETS, load
from kpbench.networks.families import FAMILIES, build, family_defaults
from kpbench.networks.layers import ACTIVATIONS, DROPOUTS, NORMS
from kpbench.sampling.samplers import SAMPLERS, propose
from kpbench.sampling.schedulers import SCHEDULERS
from kpbench.space.catalog import find, names
from kpbench.space.reading import read_space
from kpbench.space.space import IDLE, complete, with_part
from kpbench.task.benchmark import read_benchmark
from kpbench.training.seeds import global_seed

SHAPES = [(4, 6, 6), (5,)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(NORMS))
def test_a_norm_keeps_the_shape_passes_gradients_and_is_deterministic_in_eval(name, shape):
    if (name, len(shape)) == ("instance", 1):
        return  # refused, which a test of its own shows
    norm = NORMS[name](shape)
    x = torch.randn(8, *shape, requires_grad=True)
    out = norm.train()(x)
    assert out.shape == x.shape
    (out * torch.randn_like(out)).sum().backward()
    assert torch.isfinite(x.grad).all()
    norm.eval()
    assert torch.equal(norm(x), norm(x))
    one = norm(x[:1])
    torch.testing.assert_close(one, norm(x)[:1])  # in eval a face does not depend on its batch


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(DROPOUTS))
def test_a_dropout_rests_in_eval_and_at_rate_zero_and_keeps_the_expectation(name, shape):
    x = torch.rand(4000, *shape)
    assert torch.equal(DROPOUTS[name](shape, 0.4).eval()(x), x)
    assert torch.equal(DROPOUTS[name](shape, 0.0).train()(x), x)
    with global_seed(0):
        out = DROPOUTS[name](shape, 0.4).train()(x)
    assert out.mean().item() == pytest.approx(x.mean().item(), rel=0.05)
    assert (name == "none") == torch.equal(out, x)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_an_activation_keeps_the_shape_and_is_not_linear(name):
    x = torch.linspace(-2, 2, 9)
    out = ACTIVATIONS[name]()(x)
    assert out.shape == x.shape
    assert not torch.allclose(out, -ACTIVATIONS[name]()(-x))


@pytest.mark.parametrize("norm", sorted(NORMS))
@pytest.mark.parametrize("dropout", sorted(DROPOUTS))
def test_every_norm_goes_with_every_dropout_in_a_cnn(norm, dropout):
    model = build({"family": "cnn", "network.norm": norm, "network.dropout": dropout, "network.width": 4})
    x = torch.rand(2, 1, 96, 96)
    assert model.train()(x).shape == (2, 30)
    assert torch.equal(model.eval()(x), model(x))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_has_keyword_parameters_with_plain_defaults_alone(name):
    for parameter in inspect.signature(FAMILIES[name]).parameters.values():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert type(parameter.default) in (bool, int, float, str)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_gives_the_same_weights_for_a_seed(name):
    states = []
    for _ in range(2):
        with global_seed(4, "weights"):
            states.append(build({"family": name}).state_dict())
    assert all(torch.equal(a, b) for a, b in zip(*(s.values() for s in states), strict=True))


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_data_set_loads_into_three_disjoint_splits(name):
    splits = load(name, val_share=0.15, test_share=0.15, seed=20)
    parts = [splits.train, splits.val, splits.test.open(lambda: None)]
    assert min(map(len, parts)) > 0
    images = [{image.tobytes() for image in part.images} for part in parts]
    assert not images[0] & images[1]
    assert not (images[0] | images[1]) & images[2]
    for part in parts:
        assert np.isfinite(part.keypoints).all()
    if splits.train.subjects is not None:
        people = [set(part.subjects.tolist()) for part in parts]
        assert not people[0] & people[1]
        assert not (people[0] | people[1]) & people[2]
    assert splits.digest() == load(name, val_share=0.15, test_share=0.15, seed=20).digest()


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
@pytest.mark.parametrize("name", sorted(names("search_spaces")))
def test_a_sampler_proposes_a_cell_of_every_space_it_takes(name, sampler):
    defaults = known_parameters()
    space = read_space(find("search_spaces", name), defaults)
    if SAMPLERS[sampler].ask is None and space.size is None:
        pytest.skip("plain enumeration needs a finite space; the search refuses it")
    params = propose(space, [], set(), sampler=SAMPLERS[sampler], seed=0, enumerated=False, legal=lambda cell: True)
    cell = complete(space.suggest(optuna.trial.FixedTrial(params)), defaults)
    assert set(params) <= set(space.factors) <= set(cell)
    assert SAMPLERS[sampler].title


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_a_scheduler_never_stops_the_first_trial_or_the_best_one(name):
    rule = SCHEDULERS[name]
    for epochs in (1, 2, 6, 20):
        for epoch in range(1, epochs + 1):
            assert not rule(epoch, epochs, 1.0, [])
            assert not rule(epoch, epochs, 10.0, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("name", sorted(names("benchmarks")))
def test_a_benchmark_reads_and_has_a_digest(name):
    benchmark = read_benchmark(find("benchmarks", name))
    assert benchmark.name == name
    assert len(benchmark.digest) == 16


@pytest.mark.parametrize("name", sorted(IDLE))
def test_what_is_said_to_have_no_part_changes_no_network(name):
    """Of every family that knows it: with another value the network is the same, or it is refused as idle."""
    other = {"network.dropout_rate": 0.4, "network.drop_path": 0.2, "network.order": "pool_norm", "network.bins": 64,
             "network.head_width": 8, "network.map_size": 12, "network.temperature": "fixed", "network.own_loss": 1.0,
             "network.sigma": 3.0}  # fmt: skip
    seen = 0
    for family in sorted(FAMILIES):
        defaults = family_defaults(family)
        if name not in defaults or not set(IDLE[name]) <= set(defaults):
            continue
        for levels in product(*IDLE[name].values()):
            small = {"network.width": 4} if "network.width" in defaults else {"network.model": "lcnet_050"}
            cell = {"family": family, **defaults, **small, **dict(zip(IDLE[name], levels, strict=True))}
            changed = {**cell, name: other[name]}
            assert name not in with_part(cell, {})
            torch.manual_seed(0)
            plain = build(cell).state_dict()
            torch.manual_seed(0)
            try:
                again = build(changed).state_dict()
            except UsageError as error:
                assert "has no part here" in str(error)
            else:
                assert plain.keys() == again.keys() and all(torch.equal(plain[key], again[key]) for key in plain)
            seen += 1
    assert seen
