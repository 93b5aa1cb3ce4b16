"""Training that begins at the mean face: which networks can, what it sets, and what it is worth at the first epoch."""

import math

import pytest
import torch

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.networks.families import build
from kpbench.networks.heads import HEADS
from kpbench.space.space import complete
from kpbench.training.mean_start import SHARE, check_mean_start, last_layers, start_at_mean

DEFAULTS = known_parameters()
LINEAR = [
    {"family": "cnn", "network.width": 4},
    {"family": "cnn", "network.width": 4, "network.head_width": 0},
    {"family": "mlp", "network.width": 30, "network.depth": 3},  # hidden layers of 30 outputs are not the last
    {"family": "keypoint_net", "network.head": "fc", "network.width": 4},
    {"family": "keypoint_net", "network.head": "global_pool", "network.width": 4, "network.members": 2},
    {"family": "keypoint_net", "network.head": "fc", "network.width": 4, "network.mirror_average": True},
    {"family": "timm_backbone", "network.model": "lcnet_050"},
    {"family": "timm_backbone", "network.model": "regnetx_002"},
    {"family": "timm_features", "network.model": "lcnet_050", "network.head": "fc"},
]
FROM_MAPS = ["softargmax", "simcc", "heatmap_offset"]


def cell(params, **more):
    return complete({**params, **more}, DEFAULTS)


def targets():
    return (
        torch.randn(40, 15, 2, generator=torch.Generator().manual_seed(0)) * 0.1
        + torch.linspace(-0.5, 0.5, 15)[:, None]
    )


@pytest.mark.parametrize("params", LINEAR, ids=lambda params: "-".join(map(str, params.values())))
def test_the_output_is_the_mean_face_and_nothing_else_changes(params):
    found, target = cell(params, **{"training.mean_start": True}), targets()
    check_mean_start(found)
    torch.manual_seed(0)
    network = build(found)
    layers = last_layers(network)
    assert len(layers) == params.get("network.members", 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    start_at_mean(network, target)
    weights = [name for name, value in before.items() if any(value.shape == layer.weight.shape for layer in layers)]
    assert any(torch.equal(network.state_dict()[name], SHARE * before[name]) for name in weights)
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert len(changed) == 2 * len(layers)  # weight and bias
    for layer in layers:
        torch.nn.init.zeros_(layer.weight)
    pictures = torch.rand(2, 1, 96, 96)
    if not params.get("network.mirror_average"):  # which says something else of the mirrored picture
        wanted = target.mean(dim=0).flatten().expand(2, 30)
        torch.testing.assert_close(network.eval()(pictures).reshape(2, 30), wanted)


def test_a_missing_label_has_no_part_in_the_mean_and_a_keypoint_without_any_is_refused():
    network, target = build(cell(LINEAR[0])), targets()
    target[3, 2] = math.nan
    start_at_mean(network, target)
    kept = torch.cat([target[:3, 2], target[4:, 2]]).mean(dim=0)
    torch.testing.assert_close(last_layers(network)[0].bias[4:6], kept)
    target[:, 2] = math.nan
    with pytest.raises(UsageError, match="a label of every keypoint"):
        start_at_mean(network, target)


@pytest.mark.parametrize("head", FROM_MAPS)
def test_heads_that_read_points_off_maps_have_no_part_in_it(head):
    params = {"family": "keypoint_net", "network.head": head, "network.width": 4}
    params |= {"network.bins": 30} if head == "simcc" else {}  # 30 bins are not 30 outputs
    with pytest.raises(UsageError, match=f"linear layer of 30 outputs .* not for {head}; give it a condition"):
        check_mean_start(cell(params, **{"training.mean_start": True}))
    check_mean_start(cell(params))
    with pytest.raises(UsageError, match="linear layer of 30 outputs"):
        start_at_mean(build(cell(params)), targets())


def test_every_head_is_one_of_the_two_kinds():
    assert set(HEADS) == {"fc", "global_pool", *FROM_MAPS}
