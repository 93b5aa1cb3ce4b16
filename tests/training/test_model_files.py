"""A model's JSON that fits no network is refused in words of its own, not Python's."""

import json

import pytest
import torch

from kpbench.errors import UsageError
from kpbench.networks.families import build
from kpbench.training.model_files import ModelCard, load_model, save_model

PARAMS = {"family": "cnn", "network.depth": 2, "network.width": 4, "network.head_width": 8}


@pytest.fixture
def model(tmp_path):
    card = ModelCard(benchmark="b", params=PARAMS, seed=0, epochs=1, data="d", device="cpu", kpbench="0.1.0")
    return save_model(build(PARAMS), card, tmp_path / "m")


def test_a_model_comes_back(model):
    network, card = load_model(model)
    assert card.params == PARAMS
    assert network(torch.zeros(1, 1, 96, 96)).numel() == 30


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"network.dpth": 2}, "cnn has no parameter 'network.dpth'; did you mean 'network.depth'"),
        ({"network.depth": "two"}, "network.depth must be a whole number such as 4, got 'two'"),
        ({"family": "cnnn"}, "did you mean 'cnn'"),
        ({"family": None}, "name no family"),
    ],
)
def test_a_description_that_fits_no_network_names_the_parameter(model, change, says):
    path = model.with_suffix(".json")
    card = json.loads(path.read_text())
    card["params"] = {name: value for name, value in (PARAMS | change).items() if value is not None}
    path.write_text(json.dumps(card))
    with pytest.raises(UsageError, match=f"describes no network: .*{says}"):
        load_model(model)


@pytest.mark.parametrize("content", ["[1]", "3", "null", '{"a": 1}'])
def test_json_of_another_kind_is_no_description(model, content):
    model.with_suffix(".json").write_text(content)
    with pytest.raises(UsageError, match="not a model description") as caught:
        load_model(model)
    assert "argument after" not in str(caught.value)
