"""Every format for every family and norm: what comes back computes the same, in a process without kpbench too."""

import itertools
import pickle
import subprocess
import sys

import pytest
import torch

from kpbench.engine.evaluate import known_parameters
from kpbench.errors import UsageError
from kpbench.models.about import About
from kpbench.models.course import SOURCE, loading_lines
from kpbench.models.exports import EXPORTS
from kpbench.models.onnx import TOLERANCE
from kpbench.models.reading import read_model, read_own_weights
from kpbench.models.traced import examples
from kpbench.networks.families import FAMILIES, build, count_parameters
from kpbench.networks.heads import HEADS
from kpbench.networks.layers import ACTIVATIONS, NORMS
from kpbench.space.space import complete

SMALL = {
    "cnn": {"network.depth": 2, "network.width": 4, "network.head_width": 8},
    "keypoint_net": {"network.depth": 3, "network.width": 4, "network.blocks": 1, "network.head_width": 8},
    "mlp": {"network.depth": 1, "network.width": 8},
    "timm_backbone": {},
    "timm_features": {},
}
KNOWN = known_parameters()


def cell(family, **more):
    chosen = {f"network.{name}": value for name, value in more.items()}
    return complete({"family": family, **SMALL[family], **chosen}, KNOWN)


def trained(params):
    """A network whose running statistics and affine maps are not at their start."""
    torch.manual_seed(1)
    network = build(params)
    for _ in range(2):
        network.train()(torch.rand(4, 1, 96, 96))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network.eval()


def about(params):
    return About(
        study="s", what="cnn", params=params, seed=1, epochs=2, device="CPU", score={"val": 91.5, "test": 90.0},
        floor={"mean face": {"val": 74.4}}, data="synthetic", data_digest="dd", benchmark="bb", parameters=10,
        megabytes=0.1, max_parameters=99, max_megabytes=1.0, rules_kept=True, kpbench="0",
    )  # fmt: skip


CELLS = {
    **{family: cell(family) for family in FAMILIES},
    **{f"cnn-{norm}": cell("cnn", norm=norm, dropout="spatial") for norm in NORMS},
    **{f"head-{head}": cell("keypoint_net", head=head) for head in HEADS},
    "members": cell("keypoint_net", members=2, mirror_average=True, head="softargmax"),
    **{f"cnn-{name}": cell("cnn", activation=name) for name in ACTIVATIONS},
}
assert set(SMALL) == set(FAMILIES)


FEW = ("cnn-batch", "members")


QUICK = {
    *(("safetensors", name) for name in CELLS if "timm" not in name),
    *((format, name) for format in ("torchscript", "course") for name in FEW),
}
"""The others, a second or more each, are left to CI."""


@pytest.mark.parametrize(
    ("format", "name"),
    [
        pytest.param(*one, marks=() if one in QUICK else pytest.mark.slow)
        for one in itertools.product(("safetensors", "torchscript", "course"), CELLS)
    ],
)
def test_what_comes_back_computes_the_same_bit_for_bit(format, name, tmp_path):
    params = CELLS[name]
    network = trained(params)
    suffix, write, files = EXPORTS[format]
    model, *_ = written = write(network, about(params), tmp_path / f"m{suffix}")
    assert written == files(tmp_path / f"m{suffix}")
    if format == "course":
        names = {}
        exec((tmp_path / SOURCE).read_text(), names)
        loaded = read_own_weights("KeypointModel", names["KeypointModel"], model)
    else:
        loaded = read_model(model)
    with torch.inference_mode():
        assert all(torch.equal(loaded.network(faces), network(faces)) for faces in examples())
    assert loaded.parameters == count_parameters(network)


@pytest.mark.parametrize("name", [one if one in FEW else pytest.param(one, marks=pytest.mark.slow) for one in CELLS])
def test_onnx_agrees_within_its_tolerance_at_any_batch_size(name, tmp_path):
    pytest.importorskip("onnxruntime")
    network = trained(CELLS[name])
    (path,) = EXPORTS["onnx"][1](network, about(CELLS[name]), tmp_path / "m.onnx")
    loaded = read_model(path)
    with torch.inference_mode():
        for faces in (*examples(), torch.rand(7, 1, 96, 96)):
            assert (loaded.network(faces) - network(faces)).abs().max() <= TOLERANCE
    assert loaded.notes == ()


def test_a_hand_in_loads_in_three_lines_without_kpbench(tmp_path):
    params = CELLS["members"]
    network = trained(params)
    model, source = EXPORTS["course"][1](network, about(params), tmp_path / "mine.p")
    assert source.name == SOURCE and len(loading_lines(model)) == 3
    (faces,) = examples()[:1]
    torch.save(faces, tmp_path / "faces.pt")
    program = "\n".join(
        [
            "import sys; sys.modules['kpbench'] = None",
            *loading_lines(model),
            "import torch",
            "torch.save(model(torch.load('faces.pt')).detach(), 'points.pt')",
            "assert not any(name.startswith('kpbench.') for name in sys.modules)",
        ]
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    with torch.inference_mode():
        assert torch.equal(torch.load(tmp_path / "points.pt"), network(faces))
    saved = pickle.loads(model.read_bytes())
    assert saved["hparams"]["network.members"] == 2
    assert saved["hparams"]["kpbench"]["score"] == {"val": 91.5, "test": 90.0}
    assert "val 91.5" in source.read_text()


def test_names_of_a_study_run_nothing_in_a_hand_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = '"""\nopen("ran", "w")\n"""'
    facts = about(CELLS["cnn"]).model_copy(update={"data": hostile, "study": hostile, "what": hostile})
    model, source = EXPORTS["course"][1](trained(CELLS["cnn"]), facts, tmp_path / 'a"""b.p')
    names = {}
    exec(source.read_text(), names)
    assert not (tmp_path / "ran").exists()
    read_own_weights("KeypointModel", names["KeypointModel"], model)


def test_a_hand_in_runs_where_its_faces_are(tmp_path):
    params = CELLS["head-softargmax"]
    _, source = EXPORTS["course"][1](trained(params), about(params), tmp_path / "m.p")
    names = {}
    exec(source.read_text(), names)
    model = names["KeypointModel"]({}).to("meta")
    assert model(torch.rand(3, 1, 96, 96, device="meta")).shape == (3, 30)


class CountsFaces(torch.nn.Module):
    def forward(self, x):
        return x.view(len(x), -1)[:, :30]  # a trace takes the length for a constant


class Forgetful(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 1e9:  # which no trace can follow
            return x
        return x.flatten(1)[:, :30]


@pytest.mark.parametrize("network", [Forgetful, CountsFaces])
def test_a_network_that_cannot_be_traced_is_one_line(tmp_path, network):
    with pytest.raises(
        UsageError, match=r"this network cannot be exported as a hand-in.*: write x\.flatten\(1\)"
    ) as error:
        EXPORTS["course"][1](network().eval(), about(CELLS["cnn"]), tmp_path / "m.p")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())
