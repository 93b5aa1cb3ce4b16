"""Foreign files: what is no model, is hostile or absurd is one line, and takes neither code nor memory."""

import contextlib
import json
import os
import pickle
import re
import time
import zipfile
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from kpbench.errors import UsageError
from kpbench.faces.readers.csv_table import COORDINATES as COLUMNS
from kpbench.models.pickled import read_pickle, state_of
from kpbench.models.predictions import Predictions, read_predictions
from kpbench.models.reading import read_model, read_own_weights
from kpbench.networks.families import build
from kpbench.task.benchmark import read_benchmark
from kpbench.training.model_files import ModelCard, load_model, save_model
from tests.course_files import blob_faces

CNN = {"family": "cnn", "network.depth": 1, "network.width": 2, "network.head_width": 4}
COORDINATES = read_benchmark().coordinates


class Linear(nn.Module):
    def __init__(self, outputs=30):
        super().__init__()
        self.layer = nn.Linear(96 * 96, outputs)

    def forward(self, x):
        return self.layer(x.flatten(1))


class Runs:
    def __reduce__(self):
        return os.system, ("touch ran",)


def script(module, path):
    torch.jit.save(torch.jit.trace(module.eval(), torch.rand(2, 1, 96, 96)), path)
    return path


def card(params):
    return ModelCard(benchmark="b", params=params, seed=0, epochs=1, data="d", device="CPU", kpbench="0")


def refusal(path):
    with pytest.raises(UsageError) as error:
        read_model(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_foreign_torchscript_is_read_by_its_content(tmp_path):
    model = read_model(script(Linear(), tmp_path / "m.pt"))
    assert model.parameters == 30 * (96 * 96 + 1)
    assert model.card is None and model.notes == ("what it was trained on is not known",)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: script(Linear(28), p), "returned (1, 28) for a face (1, 1, 96, 96), not (1, 30)"),
        (lambda p: p.write_bytes(b"PK\x03\x04 torn"), "is no model file: a torn zip"),
        (lambda p: p.write_bytes(b""), "is no model file: it is empty"),
        (lambda p: p.write_text("hello"), "is no model file: neither"),
        (lambda p: p.write_bytes(pickle.dumps(Linear().state_dict())[:-200]), "is no model file: neither"),
        (lambda p: p.write_bytes(pickle.dumps(Runs())), f"it holds {os.system.__module__}.system; reading the rest"),
        (lambda p: torch.save(Linear().state_dict(), p, pickle_protocol=4), "another pickle protocol than torch.save"),
        (lambda p: torch.save(Linear(), p), "reading the rest could run code; write it by torch.save"),
        (lambda p: torch.save(Linear().state_dict(), p), "holds weights and no network; name its source: FILE.py:"),
        (lambda p: torch.save({"w": torch.zeros(2).to_sparse()}, p), "no state dict in it"),
        (lambda p: p.write_bytes(pickle.dumps(torch.zeros(3))), "no state dict in it"),
        (lambda p: torch.save([1, 2], p), "no state dict in it"),
        (lambda p: torch.save({"epoch": 3}, p), "no state dict in it"),
    ],
)  # fmt: skip
def test_what_is_no_network_is_one_line(make, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "m.pt")
    assert says in refusal(tmp_path / "m.pt")
    assert not (tmp_path / "ran").exists()


class Writes(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.save(x, "ran")
        return x.flatten(1)[:, :30]


class Overwrites(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bytes_ = torch.from_file("victim", True, 8, dtype=torch.uint8)
        return x.flatten(1)[:, :30] + bytes_.fill_(65)[0] * 0.0


@pytest.mark.parametrize("module", [Writes, Overwrites])
def test_a_torchscript_that_touches_files_is_refused_before_it_runs(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "victim").write_bytes(b"precious")
    torch.jit.save(torch.jit.script(module()), tmp_path / "m.ts")
    assert "which may touch files; --trust-code runs it anyway" in refusal(tmp_path / "m.ts")
    assert not (tmp_path / "ran").exists() and (tmp_path / "victim").read_bytes() == b"precious"


def test_what_cannot_be_trained_counts_too(tmp_path):
    frozen = torch.jit.freeze(torch.jit.trace(Linear().eval(), torch.rand(2, 1, 96, 96)))
    torch.jit.save(frozen, tmp_path / "m.ts")
    assert read_model(tmp_path / "m.ts").parameters == 30 * (96 * 96 + 1)


def test_what_a_file_says_of_its_size_is_not_believed(tmp_path):
    traced = torch.jit.trace(Linear().eval(), torch.rand(2, 1, 96, 96))
    for says in ('{"kind": "kpbench model", "parameters": 10}', "[1]", '{"parameters": "many"}', "\xff"):
        torch.jit.save(traced, tmp_path / "m.ts", _extra_files={"kpbench": says})
        assert read_model(tmp_path / "m.ts").parameters == 30 * (96 * 96 + 1)


class Alone(Linear):
    def forward(self, x):
        return self.layer(x.reshape(1, -1))


class Whole(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :30] > 0.5


def test_a_network_for_single_faces_is_asked_one_at_a_time(tmp_path):
    torch.save(Alone().state_dict(), tmp_path / "w.pt")
    model = read_own_weights("Alone", Alone, tmp_path / "w.pt")
    faces = torch.rand(3, 1, 96, 96)
    assert model.network(faces).shape == (3, 30)


def test_answers_that_are_no_floating_numbers_are_refused(tmp_path):
    assert "returned torch.bool values" in refusal(script(Whole(), tmp_path / "m.ts"))


def test_nan_is_named(tmp_path):
    bad = Linear()
    bad.layer.bias.data[3] = float("nan")
    assert "its weight 'layer.bias' holds NaN" in refusal(script(bad, tmp_path / "m.ts"))
    network = build(CNN)
    next(network.parameters()).data.fill_(float("nan"))
    path = save_model(network, card(CNN), tmp_path / "ours")
    assert "holds NaN" in refusal(path)


def test_points_in_pixels_are_noted(tmp_path):
    pixels = Linear()
    pixels.layer.bias.data.fill_(48.0)
    assert "are they in pixels?" in read_model(script(pixels, tmp_path / "m.ts")).notes[0]


def test_safetensors_without_a_card_name_the_way(tmp_path):
    save_file(Linear().state_dict(), tmp_path / "w.safetensors")
    assert "name its source: FILE.py:NAME --weights" in refusal(tmp_path / "w.safetensors")
    (tmp_path / "t.safetensors").write_bytes(b"\xff" * 40)
    assert "torn, or no safetensors" in refusal(tmp_path / "t.safetensors")


@pytest.mark.parametrize("content", ["state", "handed in", "safetensors"])
def test_code_with_weights_in_each_form(content, tmp_path):
    network, path = Linear(), tmp_path / "w.p"
    if content == "state":
        torch.save(network.state_dict(), path)
    elif content == "handed in":
        path.write_bytes(pickle.dumps({"state_dict": network.state_dict(), "hparams": {"outputs": 30}}))
    else:
        path = tmp_path / "w.safetensors"
        save_file(network.state_dict(), path)

    class Model(Linear):
        def __init__(self, hparams=None):
            super().__init__((hparams or {}).get("outputs", 30))

    model = read_own_weights("KeypointModel", Model, path)
    faces = torch.rand(3, 1, 96, 96)
    assert torch.equal(model.network(faces), network(faces))


def test_weights_without_the_hparams_that_a_network_needs_are_refused_with_the_way_out(tmp_path):
    class Model(Linear):
        def __init__(self, hparams):
            super().__init__(hparams["outputs"])

    torch.save(Linear().state_dict(), tmp_path / "bare.pt")
    with pytest.raises(UsageError, match=r"bare\.pt holds no hparams; give them as --param NAME=VALUE: .*outputs"):
        read_own_weights("KeypointModel", Model, tmp_path / "bare.pt")
    assert read_own_weights("KeypointModel", Model, tmp_path / "bare.pt", hparams={"outputs": 30}).network


ABSURD = [
    {**CNN, "network.width": 2_000_000},
    {**CNN, "network.head_width": 10**10},
    {"family": "mlp", "network.depth": 10**7, "network.width": 1},
    {"family": "keypoint_net", "network.members": 8, "network.width": 100_000},
    {"family": "keypoint_net", "network.blocks": 10**7, "network.width": 1},
    {"family": "keypoint_net", "network.head": "simcc", "network.bins": 10**9},
]


@contextmanager
def taking_at_most(kilobytes):
    """Memory that the process takes inside at its peak; Linux forgets earlier peaks when told to."""
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    yield
    assert peak() - before < kilobytes


def peak():
    """The most memory since then, in kB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def test_memory_that_was_taken_is_seen():
    np.ones(60_000_000)  # 480 MB, whatever was taken before
    with pytest.raises(AssertionError), taking_at_most(400_000):
        np.ones(60_000_000)
    with taking_at_most(10_000):
        np.ones(60_000)


@pytest.mark.parametrize("params", ABSURD, ids=lambda params: " ".join(f"{v}" for v in params.values()))
def test_a_card_that_names_an_absurd_network_is_refused_before_memory_is_taken(params, tmp_path):
    path = save_model(build(CNN), card(CNN), tmp_path / "m")
    described = path.with_suffix(".json")
    described.write_text(json.dumps({**json.loads(described.read_text()), "params": params}))
    start = time.monotonic()
    with taking_at_most(400_000), pytest.raises(UsageError, match="describes no network") as error:
        load_model(path)
    assert "\n" not in str(error.value)
    assert time.monotonic() - start < 60


def test_weights_of_another_cell_name_the_tensor(tmp_path):
    path = save_model(build({**CNN, "network.width": 3}), card(CNN), tmp_path / "m")
    with pytest.raises(UsageError, match=r"'0.0.weight' is \[2, 1, 3, 3\], in m.safetensors \[3, 1, 3, 3\]"):
        load_model(path)


class Grown:
    """Rebuilds a tensor of 1.6 GB from a storage of three numbers."""

    def __reduce__(self):
        shape = (0, (400_000_000,), (1,))
        return torch._utils._rebuild_tensor_v2, (torch.zeros(3)._typed_storage(), *shape, False, OrderedDict())


STORAGE = torch.zeros(1_000_000)._typed_storage().__reduce__()[1]


class Repeated:
    """Reads one storage of 4 MB a thousand times."""

    def __init__(self, storage):
        self.storage = storage

    def __reduce__(self):
        return torch.storage._load_from_bytes, self.storage


def compressed(path):
    torch.save({"w": torch.zeros(20_000_000)}, path)
    with zipfile.ZipFile(path) as file:
        held = {one.filename: file.read(one) for one in file.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in held.items():
            file.writestr(name, content)


BUILD = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: p.write_bytes(pickle.dumps({"w": Grown()})), "a tensor (400000000,) larger than its storage"),
        (lambda p: torch.save({"w": Grown()}, p), "not resizable"),
        (lambda p: p.write_bytes(b"\x80\x04Nr" + (60_000_000).to_bytes(4, "little") + b"."), "more memory than the"),
        (lambda p: p.write_bytes(b"\x80\x04N" + b"0N" * 600_000 + b"."), "more memory than the file"),
        (lambda p: p.write_bytes(b"\x80\x04\x95" + (2**60).to_bytes(8, "little") + b"N."), "or torn"),
        (
            lambda p: p.write_bytes(pickle.dumps([Repeated(STORAGE) for _ in range(1000)])),
            "it unfolds to more than the file holds",
        ),
        (compressed, "it unfolds to more than the file holds"),
    ],
    ids=["tensor", "torch_save", "memo", "steps", "frame", "storages", "zip"],
)
def test_a_pickle_takes_no_more_memory_than_its_file(make, says, tmp_path):
    make(tmp_path / "m.p")
    with taking_at_most(100_000):
        assert says in refusal(tmp_path / "m.p")


@pytest.mark.parametrize(
    "state", [b"N}(X\x0c\0\0\0__defaults__K\x07\x85u\x86b.", b"}X\x02\0\0\0doK\x07sb."], ids=["slots", "dict"]
)
def test_a_pickle_changes_nothing_it_names(state, tmp_path):
    (tmp_path / "m.p").write_bytes(BUILD + state)
    before = torch._utils._rebuild_tensor_v2.__defaults__
    assert "holds no weights alone" in refusal(tmp_path / "m.p")
    assert torch._utils._rebuild_tensor_v2.__defaults__ == before
    (tmp_path / "m.p").write_bytes(BUILD + b".")
    held = read_pickle(tmp_path / "m.p")
    with pytest.raises(AttributeError):
        held.do = None


@pytest.mark.parametrize("protocol", range(6))
def test_each_protocol_gives_the_weights_without_a_warning(protocol, tmp_path, recwarn):
    network, path = Linear(), tmp_path / "w.p"
    tied = nn.ParameterDict({"a": nn.Parameter(network.layer.weight.detach()[3:, ::2])})
    for weights in (network.state_dict(), dict(network.named_parameters()), tied.state_dict()):
        path.write_bytes(pickle.dumps(weights, protocol=protocol))
        state, hparams = state_of(read_pickle(path), path)
        assert hparams is None
        assert all(torch.equal(state[name], weights[name]) for name in weights)
    torch.save(network.state_dict(), path, pickle_protocol=max(protocol, 2))
    with contextlib.suppress(UsageError):  # torch reads some protocols alone
        read_pickle(path)
    assert not recwarn.list


def test_hparams_have_to_be_a_dict(tmp_path):
    path = tmp_path / "w.p"
    path.write_bytes(pickle.dumps({"state_dict": Linear().state_dict(), "hparams": [30]}))
    assert refusal(path).endswith("its hparams are a list, not a dict")


@pytest.fixture
def faces():
    return blob_faces(4)


def submission(faces):
    lines = ["RowId,Location", *(f"{i + 1},{v}" for i, v in enumerate(faces.keypoints.ravel()))]
    return "\n".join(lines)


def wide(faces, ids=None):
    head = [*(["ImageId"] if ids else []), *COLUMNS]
    rows = [[*([ids[i]] if ids else []), *points.ravel()] for i, points in enumerate(faces.keypoints)]
    return "\n".join(",".join(map(str, line)) for line in [head, *rows])


def test_each_layout_of_predictions_gives_the_points(faces, tmp_path):
    path = tmp_path / "p.csv"
    shuffled = [3, 1, 2, 4]
    moved = faces.take(np.array(shuffled) - 1)
    features = "ImageId,FeatureName,Location\n" + "\n".join(
        f"{i + 1},{COLUMNS[c]},{faces.keypoints.reshape(4, -1)[i, c]}" for c in range(30) for i in range(4)
    )
    for text in (submission(faces), wide(faces), wide(moved, shuffled), features):
        path.write_text("\ufeff" + text)
        np.testing.assert_allclose(read_predictions(path, faces), faces.keypoints, rtol=1e-6)
    np.savez(tmp_path / "p.npz", keypoints=faces.keypoints.reshape(4, 30), images=faces.images)
    np.testing.assert_array_equal(read_predictions(tmp_path / "p.npz", faces), faces.keypoints)


def test_predictions_answer_in_order_and_again(faces):
    model = Predictions(faces.keypoints, COORDINATES)
    pictures = torch.rand(4, 1, 96, 96)
    once = torch.cat([model(pictures[:1]), model(pictures[1:3]), model(pictures[3:])])
    assert torch.equal(once, model(pictures))
    np.testing.assert_allclose(once.numpy() * 48 + 48, faces.keypoints.reshape(4, 30), atol=1e-4)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        ({"keypoints": np.zeros((4, 14, 2))}, "'keypoints' is float64 (4, 14, 2), not numbers (4, 15, 2) or (4, 30)"),
        ({"keypoints": np.zeros((3, 15, 2))}, "for 4 faces, the split's"),
        ({"keypoints": np.full((4, 15, 2), np.nan)}, "left_eye_center of face 1 is no number"),
        ({"points": np.zeros((4, 15, 2))}, "no array 'keypoints'; it holds points"),
        ({"keypoints": np.array([None])}, "'keypoints' is object (1,), not numbers"),
        ({"keypoints": np.full((4, 15, 2), 1e200)}, "left_eye_center of face 1 lies at 1e+200 pixels"),
        ({"keypoints": np.full((4, 30), -(2**63))}, "lies at -9.22e+18 pixels"),
        ({"keypoints": np.array(["a"] * 120).reshape(4, 30)}, "not numbers"),
        ({"keypoints": np.zeros((4, 30)), "images": np.zeros((4, 96, 96), np.uint8)}, "picture 1 is not face 1"),
        ({"keypoints": np.zeros((4, 30)), "images": np.zeros((4, 32, 32), np.uint8)}, "'images' is uint8 (4, 32, 32)"),
    ],
)
def test_arrays_of_other_predictions_are_refused(array, says, faces, tmp_path):
    np.savez(tmp_path / "p.npz", **array)
    with pytest.raises(UsageError) as error:
        read_predictions(tmp_path / "p.npz", faces)
    assert says in str(error.value)


@pytest.mark.parametrize("name", ["keypoints", "images"])
def test_an_npz_is_judged_before_it_is_unpacked(name, faces, tmp_path):
    path = tmp_path / "p.npz"
    held = {"keypoints": faces.keypoints, name: np.zeros(250_000_000, np.uint8)}
    np.savez_compressed(path, **held)
    assert path.stat().st_size < 1_000_000
    with taking_at_most(100_000), pytest.raises(UsageError) as error:
        read_predictions(path, faces)
    assert f"'{name}' is uint8 (250000000,), not" in str(error.value)


def test_other_content_under_the_name_of_an_npz_is_one_line(faces, tmp_path):
    path = tmp_path / "p.npz"
    np.save(tmp_path / "p.npy", faces.keypoints)
    whole = (tmp_path / "p.npy").read_bytes()
    np.savez_compressed(path, keypoints=np.random.default_rng(0).random((4, 30)))
    torn = bytearray(path.read_bytes())
    torn[150:200] = bytes(50)
    for content in (whole, bytes(torn), b""):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"not an \.npz of plain arrays") as error:
            read_predictions(path, faces)
        assert "\n" not in str(error.value)


def test_faces_in_another_order_are_named(faces, tmp_path):
    order = [0, 2, 1, 3]
    np.savez(tmp_path / "p.npz", keypoints=faces.keypoints[order], images=faces.images[order])
    with pytest.raises(UsageError, match="picture 2 is not face 2 of the split"):
        read_predictions(tmp_path / "p.npz", faces)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a CSV"),
        ("a,b\n1,2\n", "no column left_eye_center_x"),
        ("Location\n1\n", "'Location' without RowId"),
        ("RowId,Location\n1,2\n", "each of 1 to 120 has to come once"),
        ("RowId,Location\n" + "1,5\n" * 120, "RowId 1 comes 120 times"),
        ("ImageId,FeatureName,Location\n1,third_eye_x,5\n", "FeatureName 'third_eye_x' is no coordinate"),
        ("RowId,Location\n" + "\n".join(f"{i},x" for i in range(1, 121)), "a value that is no number"),
        (",".join(COLUMNS) + "\n" + ",".join("1" * 30) + "\n", "1 rows for 4 faces, the split's"),
        (",".join(COLUMNS) + "\n" + (",".join("1" * 31) + "\n") * 4, "its rows have more fields than its header"),
        ("RowId,Location\n" + "1,5,6\n" * 120, "its rows have more fields than its header"),
        ("RowId,Location\n1,5\n2,5\n3,5,6\n", "Expected 2 fields in line 4, saw 3"),
        (f"RowId,Location\n{'1' * 400},5\n" + "1,5\n" * 119, "RowId 1 comes 119 times"),
        (f"ImageId,FeatureName,Location\n{'1' * 400},{COLUMNS[0]},5\n", "RowId 1 comes 0 times"),
        ("RowId,Location\n" + "\n".join(f"{i},{'1' * 400}" for i in range(1, 121)), "int too large"),
    ],
)
def test_tables_of_other_predictions_are_refused(text, says, faces, tmp_path):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(UsageError) as error:
        read_predictions(tmp_path / "p.csv", faces)
    assert says in str(error.value) and "\n" not in str(error.value)


def test_an_onnx_of_another_shape_is_named(tmp_path):
    pytest.importorskip("onnxscript")
    path = tmp_path / "m.onnx"

    class Small(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :30]

    program = torch.onnx.export(Small().eval(), (torch.rand(1, 3, 32, 32),), dynamo=True, verbose=False)
    path.write_bytes(program.model_proto.SerializeToString())
    assert "takes [1, 3, 32, 32] tensor(float), not float (N, 1, 96, 96)" in refusal(path)
    for content in (b"no onnx", b""):
        path.write_bytes(content)
        assert "no ONNX, or torn" in refusal(path)


def test_an_onnx_with_its_weights_elsewhere_or_in_constants(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((9216, 30), np.float32)
    shapes = ([1, 1, 96, 96], [1, 30])
    faces, points = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, s) for name, s in zip("xy", shapes, strict=True)
    )
    nodes = [
        helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(weights)),
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    made = helper.make_model(helper.make_graph(nodes, "g", [faces], [points]), ir_version=10)
    made.opset_import[0].version = 20
    onnx.save(made, tmp_path / "c.onnx")
    assert read_model(tmp_path / "c.onnx").parameters == weights.size
    inside = helper.make_graph(nodes[1:], "g", [faces], [points], [numpy_helper.from_array(weights, "w")])
    made = helper.make_model(inside, ir_version=10)
    onnx.save(made, tmp_path / "e.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert "keeps its weights in another file" in refusal(tmp_path / "e.onnx")
