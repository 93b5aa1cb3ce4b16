import pytest

from kpbench.networks.families import size_of
from kpbench.networks.layer_shapes import layer_shapes

CELLS = {
    "cnn": {"family": "cnn", "network.depth": 3, "network.norm": "batch", "network.dropout": "spatial"},
    "mlp": {"family": "mlp"},
    "keypoint_net": {"family": "keypoint_net", "network.head": "softargmax", "network.members": 2},
}


@pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
def test_the_layers_hold_every_parameter_and_give_the_keypoints(cell):
    layers = layer_shapes(cell)
    named = {layer.name: layer.parameters for layer in layers}
    assert sum(named.values()) == size_of(cell)[0]
    assert all(layer.kind and all(size > 0 for size in layer.shape) for layer in layers)
    if cell["family"] != "keypoint_net":
        assert layers[-1].shape == (30,)


def test_a_convolution_is_told_by_kernel_and_shape():
    first = layer_shapes(CELLS["cnn"])[0]
    assert (first.kind, first.shape[1:]) == ("Conv2d 3x3", (96, 96))


def test_foreign_code_is_not_run():
    assert layer_shapes({"family": "no_such.py:thing#01234567"}) == []
